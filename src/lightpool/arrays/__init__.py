"""Namespaces and devices, and the numerical kernels on bare arrays."""

from lightpool.arrays.binning import bin_index, coord_to_pix, pix_to_coord
from lightpool.arrays.devices import (
    Device,
    array_namespace,
    available_devices,
    device_of,
    find_device,
    get_default_device,
    set_default_device,
    to_device,
    to_host,
    use_device,
)
from lightpool.arrays.histogram import histogram, histogram_plain, sum_by_bin, sum_by_bin_plain
from lightpool.arrays.interpolation import (
    apply_basis,
    gather_bilinear,
    hat_basis,
    interpolate_grid,
    interpolate_grid_nearest,
    interpolation_weights,
    scale_table,
    unscale_table,
)
from lightpool.arrays.scales import scale_values, unscale_values

__all__ = [
    "Device",
    "apply_basis",
    "array_namespace",
    "available_devices",
    "bin_index",
    "coord_to_pix",
    "device_of",
    "find_device",
    "gather_bilinear",
    "get_default_device",
    "hat_basis",
    "histogram",
    "histogram_plain",
    "interpolate_grid",
    "interpolate_grid_nearest",
    "interpolation_weights",
    "pix_to_coord",
    "scale_table",
    "scale_values",
    "set_default_device",
    "sum_by_bin",
    "sum_by_bin_plain",
    "to_device",
    "to_host",
    "unscale_table",
    "unscale_values",
    "use_device",
]
