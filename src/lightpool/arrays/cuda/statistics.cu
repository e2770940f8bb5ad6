// Statistics of counts, and the ends of their intervals; the arithmetic is that of the room `stats`.

#include "common.cuh"

constexpr int N_STEP = 64;   // of `lightpool.stats.roots`
constexpr int N_NEWTON = 6;  // of `lightpool.stats.poisson`

__device__ inline double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

// n log(mu): zero where n is zero, minus infinity where counts are impossible (mu is zero).
__device__ inline double times_log(double n, double mu) { return n == 0 ? 0 : n * log(mu); }

struct OnOff {
    double n_on, n_off, alpha, mu_sig;
};

// Expected counts in the OFF region that fit best for a signal.
__device__ inline double best_background(OnOff x) {
    if (!(x.alpha > 0)) return not_a_number();
    const double c = x.alpha * (x.n_on + x.n_off) - (1 + x.alpha) * x.mu_sig;
    const double d = c * c + 4 * x.alpha * (x.alpha + 1) * x.n_off * x.mu_sig;
    return (c + sqrt(d < 0 ? 0.0 : d)) / (2 * x.alpha * (x.alpha + 1));
}

__device__ inline double wstat(OnOff x) {
    const double mu_bkg = best_background(x), mu_on = x.mu_sig + x.alpha * mu_bkg;
    const double stat =
        2 * (x.mu_sig + (1 + x.alpha) * mu_bkg - times_log(x.n_on, mu_on) - times_log(x.n_off, mu_bkg));
    return stat + 2 * (times_log(x.n_on, x.n_on) - x.n_on + times_log(x.n_off, x.n_off) - x.n_off);
}

// Root between two bounds, by the method of Chandrupatla, see `lightpool.stats.roots.find_root`.
template <class Function>
__device__ inline double find_root(Function function, double lower, double upper) {
    double a = upper, b = lower, fa = function(a), fb = function(b), c = a, fc = fa, t = 0.5;
    if (!(sign_of(fa) * sign_of(fb) <= 0)) return not_a_number();
    for (int step = 0; step < N_STEP && fa != 0 && a != b; ++step) {
        const double x = a + t * (b - a), fx = function(x);
        const bool is_same = sign_of(fx) == sign_of(fa);
        c = is_same ? a : b;
        fc = is_same ? fa : fb;
        b = is_same ? b : a;
        fb = is_same ? fb : fa;
        a = x;
        fa = fx;
        t = 0.5;
        if (fa != fb && fb != fc && fa != fc && a != b && b != c) {
            const double xi = (a - b) / (c - b), phi = (fa - fb) / (fc - fb);
            if (phi * phi < xi && (1 - phi) * (1 - phi) < 1 - xi)
                t = fa / (fb - fa) * (fc / (fb - fc)) + (c - a) / (b - a) * (fa / (fc - fa)) * (fb / (fc - fb));
        }
    }
    return fabs(fa) < fabs(fb) ? a : b;
}

struct Above {  // the W statistic at an excess, over a level
    OnOff counts;
    double level;
    __device__ double operator()(double n_sig) const {
        OnOff there = counts;
        there.mu_sig += n_sig;
        return wstat(there) - level;
    }
};

__device__ inline double excess_of(OnOff x) { return x.n_on - x.alpha * x.n_off - x.mu_sig; }

__global__ void wstat_of(
    const double* n_on, const double* n_off, const double* alpha, const double* mu_sig, i64 n, double* stat
) {
    EACH(i, n) stat[i] = wstat({n_on[i], n_off[i], alpha[i], mu_sig[i]});
}

// Not below zero, but NaN stays.
__device__ inline double positive(double x) { return x < 0 ? 0.0 : x; }

// Background, excess, its error, and its significance, squared and with its sign.
__global__ void wstat_summary(
    const double* n_on, const double* n_off, const double* alpha, const double* mu_sig, i64 n, double* n_bkg,
    double* excess, double* error, double* ts, double* sqrt_ts
) {
    EACH(i, n) {
        const OnOff null = {n_on[i], n_off[i], alpha[i], mu_sig[i]};
        const double n_sig = excess_of(null);
        OnOff best = null;
        best.mu_sig += n_sig;
        n_bkg[i] = null.alpha * null.n_off;
        excess[i] = n_sig;
        error[i] = sqrt(null.n_on + null.alpha * null.alpha * null.n_off);
        ts[i] = positive(wstat(null) - wstat(best));
        sqrt_ts[i] = sign_of(n_sig) * sqrt(ts[i]);
    }
}

// Distance from the excess to the lower or upper end of its interval.
__global__ void wstat_error(
    const double* n_on, const double* n_off, const double* alpha, const double* mu_sig, i64 n, double n_sigma,
    bool is_upper, double* error
) {
    EACH(i, n) {
        const OnOff counts = {n_on[i], n_off[i], alpha[i], mu_sig[i]};
        const double n_sig = excess_of(counts);
        OnOff best = counts;
        best.mu_sig += n_sig;
        const Above above = {counts, wstat(best) + n_sigma * n_sigma};
        const double reach =
            2 * n_sigma * (sqrt(counts.n_on + counts.alpha * counts.alpha * counts.n_off) + 1);
        if (is_upper) {
            error[i] = find_root(above, n_sig, n_sig + reach + n_sigma * n_sigma) - n_sig;
        } else {
            const double distance = n_sig - find_root(above, n_sig - reach, n_sig);
            error[i] = isnan(distance) ? counts.n_on : distance;
        }
    }
}

struct WSignificance {  // of an excess whose counts are the expected ones, minus the one that is looked for
    OnOff background;
    double n_bkg, significance;
    __device__ double operator()(double n_sig) const {
        OnOff null = background;
        null.n_on = n_sig + n_bkg;
        null.mu_sig = 0;
        OnOff best = null;
        best.mu_sig = n_sig;
        const double difference = wstat(null) - wstat(best);
        return sign_of(n_sig) * sqrt(difference < 0 ? 0.0 : difference) - significance;
    }
};

__global__ void wstat_excess(const double* n_off, const double* alpha, i64 n, double significance, double* excess) {
    EACH(i, n) {
        const double n_bkg = alpha[i] * n_off[i];
        const WSignificance above = {{0, n_off[i], alpha[i], 0}, n_bkg, significance};
        const double spread = significance * significance + significance * sqrt(n_bkg);
        excess[i] = significance < 0 ? find_root(above, -n_bkg, 0) : find_root(above, 0, 4 * (1 + alpha[i]) * spread);
    }
}

// exp(v) - 1 - v; for small v as a series.
__device__ inline double expm1_minus(double v) {
    if (!(fabs(v) < 0.1)) return expm1(v) - v;
    double series = 0, factorial = 479001600;  // 12!
    for (int k = 12; k > 1; --k) {
        series = (series + 1 / factorial) * v;
        factorial /= k;
    }
    return series * v;
}

// The expectation is raised to a limit, unless it is NaN.
__device__ inline double cash(double n_on, double mu_on, double limit) {
    const double mu = mu_on <= limit ? limit : mu_on;
    return 2 * (mu - n_on * log(mu));
}

__global__ void cash_of(const double* n_on, const double* mu_on, i64 n, double limit, double* stat) {
    EACH(i, n) stat[i] = cash(n_on[i], mu_on[i], limit);
}

// Excess, its error, and its significance, squared and with its sign.
__global__ void cash_summary(
    const double* n_on, const double* mu_bkg, i64 n, double limit, double* excess, double* error, double* ts,
    double* sqrt_ts
) {
    EACH(i, n) {
        excess[i] = n_on[i] - mu_bkg[i];
        error[i] = sqrt(n_on[i]);
        ts[i] = positive(cash(n_on[i], mu_bkg[i], limit) - cash(n_on[i], n_on[i], limit));
        sqrt_ts[i] = sign_of(excess[i]) * sqrt(ts[i]);
    }
}

// Distances from the counts to the ends of their interval, see `lightpool.stats.poisson.likelihood_interval`.
__global__ void cash_errors(const double* n_on, i64 n, double level, double* lower, double* upper) {
    EACH(i, n) {
        if (!(n_on[i] > 0)) {
            lower[i] = 0;
            upper[i] = level;
            continue;
        }
        const double rise = level / n_on[i], root = sqrt(2 * rise);
        double ends[2] = {-(rise + root), log1p(rise + root)};
        for (int k = 0; k < 2; ++k)
            for (int step = 0; step < N_NEWTON; ++step) {
                const double slope = expm1(ends[k]);
                if (slope != 0) ends[k] -= (expm1_minus(ends[k]) - rise) / slope;
            }
        lower[i] = -n_on[i] * expm1(ends[0]);
        upper[i] = n_on[i] * expm1(ends[1]);
    }
}

struct CashRise {
    double level;
    __device__ double operator()(double z) const { return 1 + (z - 1) * exp(z) - level; }
};

// Excess of a significance over a known background, see `lightpool.stats.poisson.excess_of_significance`.
__global__ void cash_excess(const double* mu_bkg, i64 n, double significance, double* excess) {
    EACH(i, n) {
        if (!(mu_bkg[i] > 0)) {
            excess[i] = not_a_number();
            continue;
        }
        const CashRise above = {0.5 * (significance * significance) / mu_bkg[i]};
        double lower = -745, upper = 0;  // at -745, exp(z) is zero
        if (!(significance < 0)) {
            const double one = sqrt(2 * above.level), other = 2 + log1p(above.level);
            lower = 0;
            upper = (other < one ? other : one) + 2.220446049250313e-16;
        }
        excess[i] = mu_bkg[i] * expm1(find_root(above, lower, upper));
    }
}
