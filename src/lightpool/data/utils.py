"""Features of observations by which they are grouped, see `lightpool.utils.cluster`."""

from collections.abc import Iterable, Sequence

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from lightpool.bridge import accepts_gammapy
from lightpool.data.observation import Observation
from lightpool.errors import MissingDataError
from lightpool.irf import EDispKernel, EDispKernelMap, PSFMap
from lightpool.typing import AngleLike, QuantityLike
from lightpool.utils.cluster import standard_scaler

__all__ = ["get_irfs_features"]

_NAMES = ("edisp-bias", "edisp-res", "psf-radius")


@accepts_gammapy
def get_irfs_features(
    observations: Iterable[Observation],
    energy_true: QuantityLike,
    position: SkyCoord | None = None,
    fixed_offset: "AngleLike | None" = None,
    names: Sequence[str] | None = None,
    containment_fraction: float = 0.68,
    apply_standard_scaler: bool = False,
) -> Table:
    """Return properties of the responses of observations at one energy, as a table with a row for each.

    Parameters
    ----------
    observations : `Observations`
    energy_true : Quantity, one energy
    position : `SkyCoord`, optional
        Where on the sky; beyond the outer offset of the tables, the values are those there. By default the pointing,
        or the centre of responses that are maps.
    fixed_offset : Angle, optional
        Offset from the pointing, in place of ``position``.
    names : list of "edisp-bias", "edisp-res", "psf-radius"; all by default
    containment_fraction : float, of the PSF in its radius
    apply_standard_scaler : bool, scale each property to a mean of 0 and a standard deviation of 1

    Raises
    ------
    ValueError
        If position and offset are both given, or a name is not known.
    MissingDataError
        If an observation has no energy dispersion or no PSF.
    """
    chosen = _NAMES if names is None else tuple([names] if isinstance(names, str) else names)
    if unknown := [name for name in chosen if name not in _NAMES]:
        raise ValueError(f"features {unknown} are not known; there are {', '.join(_NAMES)}")
    if position is not None and fixed_offset is not None:
        raise ValueError("`position` and `fixed_offset` are mutually exclusive: give one of them")
    energy = u.Quantity(energy_true).reshape(-1)[0]
    offset = None if fixed_offset is None else u.Quantity(fixed_offset)
    rows = [
        _features(observation, energy, position, offset, chosen, containment_fraction) for observation in observations
    ]
    features = Table(rows)
    if apply_standard_scaler:
        features = standard_scaler(features)
    features.meta = {
        "energy_true": energy_true,
        "fixed_offset": fixed_offset,
        "containment_fraction": containment_fraction,
        "apply_standard_scaler": apply_standard_scaler,
    }
    if position is not None:
        galactic = position.galactic
        features.meta |= {"lon": galactic.l, "lat": galactic.b, "frame": "galactic"}
    return features


def _features(
    observation: Observation,
    energy: u.Quantity,
    position: SkyCoord | None,
    offset: u.Quantity | None,
    names: Sequence[str],
    fraction: float,
) -> dict[str, object]:
    kernel, radius = _kernel_and_radius(observation, energy, position, offset, fraction)
    values = {
        "edisp-bias": lambda: kernel.get_bias(energy).ravel()[0],
        "edisp-res": lambda: kernel.get_resolution(energy).ravel()[0],
        "psf-radius": lambda: radius,
    }
    row: dict[str, object] = {}
    for name in names:
        row[name] = values[name]()
        row["obs_id"] = observation.obs_id  # after the first one, as in Gammapy
    return row


def _kernel_and_radius(
    observation: Observation,
    energy: u.Quantity,
    position: SkyCoord | None,
    offset: u.Quantity | None,
    fraction: float,
) -> tuple[EDispKernel, u.Quantity]:
    edisp, psf = observation.edisp, observation.psf
    if edisp is None or psf is None:
        raise MissingDataError(
            f"observation {observation.obs_id} has {observation.available_irfs}: its features need 'edisp' and 'psf'"
        )
    if isinstance(psf, PSFMap) and isinstance(edisp, EDispKernelMap):
        position = psf.psf_map.geom.center_skydir if position is None else position
        radius = psf.containment_radius(fraction=fraction, energy_true=energy, position=position)
        return edisp.get_edisp_kernel(position=position), radius.to("deg")
    if offset is None:
        offset = u.Quantity(0, "deg")
        if position is not None:
            outer = np.minimum(psf.axes["offset"].center[-1], edisp.axes["offset"].center[-1])
            pointing = observation.get_pointing_icrs(observation.tmid)
            offset = u.Quantity(np.minimum(position.separation(pointing), outer))
    radius = psf.containment_radius(fraction=fraction, energy_true=energy, offset=offset)
    return edisp.to_edisp_kernel(offset), radius.to("deg")
