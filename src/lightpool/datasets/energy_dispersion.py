"""The energy dispersion of a map in true energy."""

from lightpool.arrays import constant
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.bridge import accepts_gammapy
from lightpool.irf import EDispKernel
from lightpool.maps import Map

__all__ = ["apply_edisp"]


@accepts_gammapy
def apply_edisp(input_map: Map, edisp: EDispKernel | None) -> Map:
    """Convert a map in true energy to one in reconstructed energy.

    Parameters
    ----------
    input_map : Map with an axis ``energy_true``
    edisp : EDispKernel, with the bins of ``energy_true``; None takes the reconstructed for the true energy

    Returns
    -------
    map : Map with the axis ``energy`` in the place of ``energy_true``, on the device of the map

    Raises
    ------
    ValueError
        If the kernel has another number of bins of true energy.
    """
    geom, data, device = input_map.geom, input_map.data, input_map.device
    axis = geom.axes["energy_true"]
    if edisp is None:
        energy = axis.copy(name="energy")
    else:
        matrix = edisp.pdf_matrix
        if matrix.shape[0] != axis.nbin:
            raise ValueError(
                f"the energy dispersion has {matrix.shape[0]} bins of true energy and the map {axis.nbin}; "
                "make both on the same axis 'energy_true'"
            )
        energy = edisp.axes["energy"].copy(name="energy")
        xp, dim = device.xp, geom.axes.index_data("energy_true")
        factors = as_dtype(constant(matrix, device), dtype_name(data))
        # The energy last: a product of the matrix with each pixel.
        data = xp.moveaxis(xp.matmul(xp.moveaxis(data, dim, -1), factors), -1, dim)
    axes = [energy if each.name == "energy_true" else each for each in geom.axes]
    return Map.from_geom(geom.to_image().to_cube(axes), data=data, unit=input_map.unit, device=device)
