"""Reduced responses: maps of the point spread function and the energy dispersion, and kernels.

They are pairs of maps, of the response and of the exposure, whose values are shared, see
`lightpool.gammapy.conversion.maps`. Of a growing stack, the mean response is computed first.
"""

from gammapy.irf import EDispKernelMap as GammapyEDispKernelMap
from gammapy.irf import EDispMap as GammapyEDispMap
from gammapy.irf import PSFKernel as GammapyPSFKernel
from gammapy.irf import PSFMap as GammapyPSFMap
from gammapy.irf import RecoPSFMap as GammapyRecoPSFMap

from lightpool.gammapy.conversion.internals import internal
from lightpool.gammapy.conversion.kinds import require_class
from lightpool.gammapy.conversion.maps import map_from_gammapy, map_to_gammapy
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.irf import EDispKernelMap, EDispMap, IRFMap, PSFKernel, PSFMap, RecoPSFMap
from lightpool.typing import GammapyObject

__all__ = ["response_from_gammapy", "response_to_gammapy"]

_TO_GAMMAPY: dict[type[IRFMap], type] = {
    PSFMap: GammapyPSFMap,
    RecoPSFMap: GammapyRecoPSFMap,
    EDispMap: GammapyEDispMap,
    EDispKernelMap: GammapyEDispKernelMap,
}
_FROM_GAMMAPY = {kind: own for own, kind in _TO_GAMMAPY.items()}


def response_to_gammapy(response: IRFMap) -> GammapyObject:
    """Return a reduced response as one of Gammapy."""
    kind = next(_TO_GAMMAPY[base] for base in type(response).__mro__ if base in _TO_GAMMAPY)
    exposure = response.exposure_map
    return kind(map_to_gammapy(response.irf_map), None if exposure is None else map_to_gammapy(exposure))


def response_from_gammapy(response: GammapyObject) -> IRFMap:
    """Return a reduced response of Gammapy as one of lightpool."""
    kind = next(base for base in type(response).__mro__ if base in _FROM_GAMMAPY)
    require_class(response, kind)
    # the public name depends on the class
    irf_map, exposure = internal(response, "_irf_map"), response.exposure_map
    return _FROM_GAMMAPY[kind](
        map_from_gammapy(irf_map), exposure_map=None if exposure is None else map_from_gammapy(exposure)
    )


for _own, _kind in _TO_GAMMAPY.items():
    to_gammapy.register(_own, response_to_gammapy)
    from_gammapy.register(_kind, response_from_gammapy)


@to_gammapy.register
def psf_kernel_to_gammapy(kernel: PSFKernel) -> GammapyPSFKernel:
    """Return an image of the point spread function for each energy as that of Gammapy."""
    return GammapyPSFKernel(map_to_gammapy(kernel.psf_kernel_map), normalize=False)


@from_gammapy.register(GammapyPSFKernel)
def psf_kernel_from_gammapy(kernel: GammapyPSFKernel) -> PSFKernel:
    """Return an image of the point spread function for each energy of Gammapy as that of lightpool."""
    require_class(kernel, GammapyPSFKernel)
    return PSFKernel(map_from_gammapy(kernel.psf_kernel_map), normalize=False)
