"""Poisson fit of a norm that depends on energy only."""

from typing import Any

import astropy.units as u
import numpy as np

__all__ = ["fit_norm", "poisson_regression"]

_MAX_STEP = 100
_TOLERANCE = 1e-10

Vector = np.ndarray[Any, Any]


def poisson_regression(counts: Vector, template: Vector, design: Vector, start: Vector) -> tuple[Vector, Vector]:
    r"""Maximum of the Poisson likelihood of :math:`\mu_e = b_e \exp(\sum_j X_{ej} \theta_j)`.

    The likelihood is convex in the parameters, so Newton's method with halved steps finds its one maximum.

    Parameters
    ----------
    counts, template : array of float, shape (n_energy,)
        Counts :math:`n_e` and background :math:`b_e` in each energy bin.
    design : array of float, shape (n_energy, n_parameter), the :math:`X`
    start : array of float, shape (n_parameter,)

    Returns
    -------
    theta : array of float, shape (n_parameter,)
    covariance : array of float, shape (n_parameter, n_parameter)
        Inverse of the second derivatives of minus the log likelihood.

    Raises
    ------
    np.linalg.LinAlgError
        If the counts do not determine the parameters.
    """
    def minus_log_likelihood(theta: Vector) -> float:
        exponent = design @ theta
        return float(np.sum(template * np.exp(exponent)) - np.sum(counts * exponent))

    theta = np.asarray(start, dtype=float)
    value = minus_log_likelihood(theta)
    for _ in range(_MAX_STEP):
        model = template * np.exp(design @ theta)
        hessian = design.T @ (model[:, np.newaxis] * design)
        gradient = design.T @ (model - counts)
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        while (new := minus_log_likelihood(theta - length * step)) > value + 1e-12 * abs(value):
            length /= 2
            if length < 1e-10:
                raise np.linalg.LinAlgError("no step along the gradient improves the likelihood")
        theta, value = theta - length * step, new
        if np.max(np.abs(step)) < _TOLERANCE:
            return theta, np.linalg.inv(hessian)
    raise np.linalg.LinAlgError(f"no convergence after {_MAX_STEP} steps")


def fit_norm(model: Any, energy: u.Quantity, counts: Vector, template: Vector) -> str | None:
    """Fit the free parameters of a norm model to the counts per energy bin and set their values and errors.

    Parameters
    ----------
    model : norm spectral model, see `lightpool.datasets.spectral_norms`; changed in place
    energy : Quantity, shape (n_energy,), centres of the energy bins
    counts, template : array of float, shape (n_energy,), counts and not yet normalised background

    Returns
    -------
    reason : str or None
        Why the fit failed; None if it did not. The parameters are unchanged after a failure.
    """
    used = template > 0
    design, start = model.log_linear(energy[used])
    free = np.array([not parameter.frozen for parameter in model.parameters])
    if not free.any():
        return "all parameters of the background model are frozen"
    fixed = np.exp(design[:, ~free] @ start[~free])
    try:
        theta, covariance = poisson_regression(counts[used], template[used] * fixed, design[:, free], start[free])
    except np.linalg.LinAlgError as error:
        return f"the fit did not converge ({error})"
    full = start.copy()
    full[free] = theta
    full_error = np.zeros_like(full)
    full_error[free] = np.sqrt(np.diag(covariance))
    model.set_log_linear(full, full_error)
    return None
