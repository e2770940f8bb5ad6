"""Poisson fit of a norm that depends on energy only."""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.datasets.models.parameters import Parameter
from lightpool.datasets.models.spectral_norms import (
    NormSpectralModel,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
)

__all__ = ["NormFit", "fit_norm", "poisson_regression"]

_MAX_STEP = 100
# Of a step in the parameters, which are logarithms of norms, and tilts: for norms it is relative.
_TOLERANCE = 1e-10


def poisson_regression(
    counts: NDArray[np.float64], template: NDArray[np.float64], design: NDArray[np.float64], start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the maximum of the Poisson likelihood of :math:`\mu_e = b_e \exp(\sum_j X_{ej} \theta_j)`.

    Minus the log likelihood is convex in the parameters, so Newton's method with halved steps finds its only minimum.

    Parameters
    ----------
    counts, template : array of float, shape (n_energy,)
        Counts :math:`n_e` and background :math:`b_e` in each energy bin.
    design : array of float, shape (n_energy, n_parameter)
        The matrix :math:`X`.
    start : array of float, shape (n_parameter,)
        Initial parameters.

    Returns
    -------
    theta : array of float, shape (n_parameter,)
    covariance : array of float, shape (n_parameter, n_parameter)
        Inverse of the matrix of second derivatives of minus the log likelihood.

    Raises
    ------
    np.linalg.LinAlgError
        If the counts do not determine the parameters.
    """

    def minus_log_likelihood(theta: NDArray[np.float64]) -> float:
        # Without the terms that do not depend on theta, such as n log(b).
        exponent = design @ theta
        return float(np.sum(template * np.exp(exponent)) - np.sum(counts * exponent))

    theta = np.asarray(start, dtype=float)
    value = minus_log_likelihood(theta)
    for _ in range(_MAX_STEP):
        model = template * np.exp(design @ theta)
        # With mu = model: gradient X^T (mu - n), Hessian X^T diag(mu) X, positive definite if X has full rank.
        hessian = design.T @ (model[:, np.newaxis] * design)
        gradient = design.T @ (model - counts)
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        # Near the minimum rounding alone may raise the value: an increase by 1e-12 of it is accepted.
        while (new := minus_log_likelihood(theta - length * step)) > value + 1e-12 * abs(value):
            length /= 2
            if length < 1e-10:
                raise np.linalg.LinAlgError("no step along the gradient improves the likelihood")
        theta, value = theta - length * step, new
        if np.max(np.abs(step)) < _TOLERANCE:
            # The Hessian is that before the last step, which is below the tolerance.
            return theta, np.linalg.inv(hessian)
    raise np.linalg.LinAlgError(f"no convergence after {_MAX_STEP} steps")


@dataclass(frozen=True)
class _Term:
    """One term of the logarithm of a norm: a column of the design times a parameter or its logarithm."""

    parameter: Parameter
    column: NDArray[np.float64]
    in_log: bool

    @property
    def theta(self) -> float:
        return float(np.log(self.parameter.value)) if self.in_log else float(self.parameter.value)

    def set(self, theta: float) -> float:
        """Set the value of the parameter, and return its derivative with respect to theta."""
        self.parameter.value = float(np.exp(theta)) if self.in_log else theta
        # d(norm) = norm * d(log norm)
        return self.parameter.value if self.in_log else 1.0


def _terms(model: NormSpectralModel, energy: u.Quantity) -> list[_Term]:
    """Return the terms whose sum is the logarithm of the norm at each energy."""
    if isinstance(model, PowerLawNormSpectralModel):
        # log(norm * (E / E0)**-tilt) = log(norm) - tilt * log(E / E0)
        x = np.log((energy / model.reference.quantity).to_value(""))
        return [_Term(model.norm, np.ones_like(x), True), _Term(model.tilt, -x, False)]
    if isinstance(model, PiecewiseNormSpectralModel) and model.interp == "log":
        x, nodes = np.log(energy.to_value("TeV")), np.log(model.energy.to_value("TeV"))
        # Interpolation is linear in the values at the nodes: the column of a node is its interpolated unit vector.
        hats = [np.interp(x, nodes, hat) for hat in np.eye(nodes.size)]
        return [_Term(parameter, hat, True) for parameter, hat in zip(model.parameters, hats, strict=True)]
    raise TypeError(
        f"method 'fit' needs a norm that is a power law or piecewise in log energy, got {model}; "
        "use PowerLawNormSpectralModel or PiecewiseNormSpectralModel(interp='log')"
    )


@dataclass(frozen=True)
class NormFit:
    """Result of a fit whose values are in the model.

    Attributes
    ----------
    covariance : array of float, shape (n_parameter, n_parameter), or None if the fit failed
        Of all parameters of the model in their order; zero for frozen ones.
    reason : str or None
        Why the fit failed; None if it did not. The parameters are unchanged after a failure.
    """

    covariance: NDArray[np.float64] | None = None
    reason: str | None = None


def fit_norm(
    model: NormSpectralModel, energy: u.Quantity, counts: NDArray[np.float64], template: NDArray[np.float64]
) -> NormFit:
    """Fit the free parameters of a norm model to the counts per energy bin and set their values and errors.

    Parameters
    ----------
    model : PowerLawNormSpectralModel or PiecewiseNormSpectralModel
        Changed in place. Norms that are not positive start at 1.
    energy : Quantity, shape (n_energy,)
        Centres of the energy bins.
    counts, template : array of float, shape (n_energy,)
        Counts, and background before it is normalised.

    Returns
    -------
    fit : NormFit
    """
    # Counts in a bin without background would raise the norm: their term of the likelihood has no background in it.
    used = template > 0
    terms = _terms(model, energy[used])
    if all(term.parameter.frozen for term in terms):
        return NormFit(reason="all parameters of the background model are frozen")
    free = [term for term in terms if not term.parameter.frozen]
    # A column of zeros makes the Hessian singular.
    idle = [term.parameter.name for term in free if not np.any(term.column)]
    if idle:
        return NormFit(
            reason=f"no background is kept at the energies of the parameters {idle}; freeze them or leave the nodes out"
        )
    fixed = np.exp(sum(term.column * term.theta for term in terms if term.parameter.frozen))
    design = np.stack([term.column for term in free], axis=1)
    if np.linalg.matrix_rank(design) < len(free):
        names = [term.parameter.name for term in free]
        return NormFit(
            reason=f"{np.count_nonzero(used)} energy bins with background do not determine {', '.join(names)}; "
            "freeze one of them, or give the dataset more bins"
        )
    # The logarithm of a norm that is zero or negative is not finite.
    start = np.array([term.theta if np.isfinite(term.theta) else 0.0 for term in free])
    try:
        theta, covariance = poisson_regression(counts[used], template[used] * fixed, design, start)
    except np.linalg.LinAlgError as error:
        return NormFit(reason=f"the fit did not converge ({error})")
    scale = np.array([term.set(float(value)) for term, value in zip(free, theta, strict=True)])
    return NormFit(covariance=_covariance_of_all(model, free, covariance * scale * scale[:, np.newaxis]))


def _covariance_of_all(
    model: NormSpectralModel, free: list[_Term], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Set the errors of the free parameters, and return the covariance of all."""
    order = [id(parameter) for parameter in model.parameters]
    index = [order.index(id(term.parameter)) for term in free]
    full = np.zeros((len(order), len(order)))
    full[np.ix_(index, index)] = covariance
    for term, error in zip(free, np.sqrt(np.diag(covariance)), strict=True):
        term.parameter.error = float(error)
    return full
