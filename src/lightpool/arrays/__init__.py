"""Namespaces and devices, and the numerical kernels on bare arrays."""

from lightpool.arrays.devices.device_tables import Constant, announce_constants, constant, forget_constants
from lightpool.arrays.devices.devices import (
    Device,
    array_namespace,
    available_devices,
    device_of,
    find_device,
    full_on,
    get_default_device,
    set_default_device,
    to_device,
    to_host,
    use_device,
)
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.devices.memory import free_memory, memory_errors, release_memory, require_memory
from lightpool.arrays.devices.pending_numbers import DeferredNumber, DeferredNumbers, read_deferred
from lightpool.arrays.devices.precision import (
    find_precision,
    get_default_precision,
    precision_of,
    set_default_precision,
    use_precision,
)
from lightpool.arrays.devices.transfers import count_transfers
from lightpool.arrays.kernels.accumulation import add_product
from lightpool.arrays.kernels.bilinear import gather_bilinear, gather_bilinear_in_parts
from lightpool.arrays.kernels.binning import bin_index, coord_to_pix, pix_to_coord
from lightpool.arrays.kernels.convolution import convolve_fft, disk_kernel
from lightpool.arrays.kernels.histogram import histogram
from lightpool.arrays.kernels.integrals import (
    integrate_exponential,
    trapezoid_loglog,
)
from lightpool.arrays.kernels.interpolation import (
    apply_basis,
    hat_basis,
    interpolate_grid,
    interpolate_grid_nearest,
    interpolation_weights,
)
from lightpool.arrays.kernels.morphology import binary_dilation, binary_erosion
from lightpool.arrays.kernels.projections import (
    pixel_directions,
    pixel_to_sky,
    sky_to_pixel,
)
from lightpool.arrays.kernels.scales import scale_values
from lightpool.arrays.kernels.sphere import (
    angular_separation,
    fov_lonlat,
    fov_matrix,
    fov_polar,
    frame_matrix,
    lonlat,
    rotate,
    separation_of_vectors,
    unit_vectors,
)
from lightpool.arrays.projection_parameters import PROJECTION_CODES, Projection
from lightpool.names import show_public

__all__ = [
    "PROJECTION_CODES",
    "Constant",
    "DeferredNumber",
    "DeferredNumbers",
    "Device",
    "LazyArray",
    "Projection",
    "add_product",
    "angular_separation",
    "announce_constants",
    "apply_basis",
    "array_namespace",
    "available_devices",
    "bin_index",
    "binary_dilation",
    "binary_erosion",
    "constant",
    "convolve_fft",
    "coord_to_pix",
    "count_transfers",
    "device_of",
    "disk_kernel",
    "find_device",
    "find_precision",
    "forget_constants",
    "fov_lonlat",
    "fov_matrix",
    "fov_polar",
    "frame_matrix",
    "free_memory",
    "full_on",
    "gather_bilinear",
    "gather_bilinear_in_parts",
    "get_default_device",
    "get_default_precision",
    "hat_basis",
    "histogram",
    "integrate_exponential",
    "interpolate_grid",
    "interpolate_grid_nearest",
    "interpolation_weights",
    "lonlat",
    "memory_errors",
    "pix_to_coord",
    "pixel_directions",
    "pixel_to_sky",
    "precision_of",
    "read_deferred",
    "release_memory",
    "require_memory",
    "rotate",
    "scale_values",
    "separation_of_vectors",
    "set_default_device",
    "set_default_precision",
    "sky_to_pixel",
    "to_device",
    "to_host",
    "trapezoid_loglog",
    "unit_vectors",
    "use_device",
    "use_precision",
]

show_public(__name__)
