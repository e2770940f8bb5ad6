"""Comparison of datasets of Gammapy in everything that a script could see."""

import inspect

import numpy as np
from astropy.time import Time
from gammapy.makers.utils import make_edisp_kernel_map

EXACT = {"counts", "counts_off", "mask_safe", "mask_fit"}
MAPS = ("counts", "exposure", "background", "mask_safe", "mask_fit", "counts_off", "acceptance", "acceptance_off")


def assert_same_dataset(ours, plain, *, same_name=True, tolerances=None, in_errors=0.0):
    """Check that two datasets have the same kinds, types, units, names, tables and models, and the same numbers.

    Names are not compared where they are random. Parameters of models may differ by ``in_errors`` of their error.
    """
    assert type(ours) is type(plain)
    assert ours.stat_type == plain.stat_type
    assert not same_name or ours.name == plain.name
    for name in MAPS:
        if hasattr(plain, name):
            assert_same_map(name, getattr(ours, name), getattr(plain, name), tolerances)
    for name, part in (("psf", "psf_map"), ("edisp", "edisp_map")):
        one, other = getattr(ours, name), getattr(plain, name)
        assert type(one) is type(other), name
        if other is not None:
            assert_same_map(name, getattr(one, part), getattr(other, part), tolerances)
            assert_same_map(f"exposure of {name}", one.exposure_map, other.exposure_map, tolerances)
    assert_same_gti(ours.gti, plain.gti)
    assert_same_table(ours.meta_table, plain.meta_table)
    assert_same_meta(ours.meta, plain.meta)
    assert_same_models(ours, plain, same_name, in_errors)


# Since Gammapy 2.1, elements of energy dispersion kernels below 1e-8 are zero, as in lightpool.
SETS_SMALL_TO_ZERO = "threshold" in inspect.signature(make_edisp_kernel_map).parameters


def assert_same_map(name, ours, plain, tolerances=None):
    if plain is None:
        assert ours is None, name
        return
    assert ours is not None, name
    assert ours.geom == plain.geom, name
    assert type(ours.geom) is type(plain.geom), name
    assert ours.unit == plain.unit, name
    assert ours.data.dtype == plain.data.dtype, (name, ours.data.dtype, plain.data.dtype)
    assert type(ours) is type(plain), name
    assert ours.data.flags.writeable, name
    assert_same_values(f"metadata of {name}", ours.meta, plain.meta)
    if name in EXACT:
        np.testing.assert_array_equal(ours.data, plain.data, err_msg=name)
        return
    rtol = (tolerances or {}).get(name, 1e-9 if plain.data.dtype == np.float64 else 1e-5)
    # Relative to the largest value too: differences of rounding, where values nearly cancel.
    finite = np.abs(plain.data[np.isfinite(plain.data)])
    atol = 1e-12 * finite.max() if finite.size else 0.0
    if name == "edisp" and not SETS_SMALL_TO_ZERO:
        atol = 1e-8
    np.testing.assert_allclose(ours.data, plain.data, rtol=rtol, atol=atol, err_msg=name)


def assert_same_values(what, ours, plain):
    assert list(ours) == list(plain), what
    for key, value in plain.items():
        assert type(ours[key]) is type(value), (what, key)
        if hasattr(value, "unit"):
            assert ours[key].unit == value.unit, (what, key)
            np.testing.assert_allclose(ours[key].value, value.value, rtol=1e-12, err_msg=f"{what}, {key}")
        else:
            assert ours[key] == value, (what, key)


def assert_same_gti(ours, plain):
    assert (ours is None) == (plain is None)
    if plain is None:
        return
    assert type(ours) is type(plain)
    assert ours.time_ref == plain.time_ref
    assert ours.table.colnames == plain.table.colnames
    assert len(ours.table) == len(plain.table)
    for name in plain.table.colnames:
        one, other = ours.table[name], plain.table[name]
        assert isinstance(one, Time) == isinstance(other, Time)
        if isinstance(other, Time):
            assert (one.scale, one.format) == (other.scale, other.format)
            np.testing.assert_array_equal(one.jd1 + one.jd2, other.jd1 + other.jd2)


def assert_same_table(ours, plain):
    assert (ours is None) == (plain is None)
    if plain is None:
        return
    assert ours.colnames == plain.colnames
    for name in plain.colnames:
        one, other = ours[name], plain[name]
        assert (one.dtype, one.shape, one.unit) == (other.dtype, other.shape, other.unit), name
        np.testing.assert_array_equal(one, other, err_msg=name)


def assert_same_meta(ours, plain):
    assert type(ours) is type(plain)
    one, other = (vars(meta) for meta in (ours, plain))
    assert one.keys() == other.keys()
    assert ours.creation.creator == plain.creation.creator
    for key in one.keys() - {"creation"}:
        assert str(one[key]) == str(other[key]), key


def assert_same_models(ours, plain, same_name=True, in_errors=0.0):
    assert (ours.models is None) == (plain.models is None)
    if plain.models is None:
        return
    assert type(ours.models) is type(plain.models)
    assert not same_name or ours.models.names == plain.models.names
    assert (ours.background_model is None) == (plain.background_model is None)
    for one, other in zip(ours.models, plain.models, strict=True):
        assert type(one) is type(other)
        assert one.datasets_names == ([ours.name] if other.datasets_names == [plain.name] else other.datasets_names)
        assert one.parameters.names == other.parameters.names
        for mine, theirs in zip(one.parameters, other.parameters, strict=True):
            assert (mine.frozen, mine.unit, mine.name) == (theirs.frozen, theirs.unit, theirs.name)
            assert type(mine.value) is type(theirs.value)
            atol = in_errors * theirs.error
            np.testing.assert_allclose(mine.value, theirs.value, rtol=1e-7, atol=atol, err_msg=theirs.name)
            np.testing.assert_allclose(mine.error, theirs.error, rtol=1e-5 + in_errors / 100, err_msg=theirs.name)
        assert_same_covariance(one.covariance.data, other.covariance.data, in_errors)
    assert_same_covariance(ours.models.covariance.data, plain.models.covariance.data, in_errors)


def assert_same_covariance(ours, plain, in_errors):
    errors = np.sqrt(np.diagonal(plain))
    scale = np.where(errors > 0, errors, 1)
    # Those of Gammapy are computed where Minuit stopped, with finite steps.
    np.testing.assert_allclose(ours / np.outer(scale, scale), plain / np.outer(scale, scale), atol=1e-5 + in_errors)
