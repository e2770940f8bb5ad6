"""Responses of Gammapy and of lightpool, converted into each other: tables, kernels and maps."""

import copy
import gc

import astropy.units as u
import gammapy.data
import gammapy.irf
import gammapy.maps
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

import lightpool.data
import lightpool.irf
import lightpool.maps
from lightpool.arrays import count_transfers
from lightpool.gammapy import from_gammapy, to_gammapy

BOTH = [(gammapy, from_gammapy, to_gammapy), (lightpool, to_gammapy, from_gammapy)]
both_ways = pytest.mark.parametrize(("library", "convert", "convert_back"), BOTH, ids=["from_gammapy", "to_gammapy"])
OTHER = {gammapy: lightpool, lightpool: gammapy}
PARTS = ["aeff", "edisp", "psf", "bkg"]


@pytest.fixture(scope="module")
def observations(crab_store):
    """Observations of both libraries by number, with each kind of PSF and background."""
    stores = {library: library.data.DataStore.from_dir(crab_store) for library in (gammapy, lightpool)}
    numbers = [int(_) for _ in stores[lightpool].obs_ids]
    return {library: {n: store.obs(n) for n in numbers} for library, store in stores.items()}


def _tables(observations, library):
    return [getattr(obs, part) for obs in observations[library].values() for part in PARTS]


def _made_by_hand(library):
    """Tables of the kinds and options that the simulated runs do not have."""
    axis, irf = library.maps.MapAxis, library.irf
    true = axis.from_energy_bounds("0.1 TeV", "10 TeV", 4, name="energy_true")
    reco = axis.from_energy_bounds("0.2 TeV", "10 TeV", 3)
    offset = axis.from_edges([0, 1, 3] * u.deg, name="offset")
    point = axis.from_nodes([0.5] * u.deg, name="offset")
    rng = np.random.default_rng(0)
    alignment = irf.FoVAlignment if library is lightpool else gammapy.irf.FoVAlignment
    king = np.zeros((4, 2), dtype=[("gamma", "f8"), ("sigma", "f4")])
    king["gamma"], king["sigma"] = rng.uniform(1.5, 3, (4, 2)), rng.uniform(0.05, 0.1, (4, 2))
    lon, lat = (axis.from_edges([-2, -1, 0, 1, 2] * u.deg, name=name) for name in ("fov_lon", "fov_lat"))
    return [
        irf.RadMax2D([reco, point], data=rng.uniform(size=(3, 1)), unit="deg", is_pointlike=True),
        irf.EffectiveAreaTable2D([true, point], data=np.ones((4, 1), dtype="float32"), unit="km2", is_pointlike=True),
        irf.PSFKing([true, offset], data=king, unit={"gamma": u.Unit(""), "sigma": u.deg}, meta={"TELESCOP": "X"}),
        irf.Background3D(
            [reco, lon, lat],
            data=rng.uniform(size=(3, 4, 4)) * u.Unit("s-1 TeV-1 sr-1"),
            fov_alignment=alignment.ALTAZ,
            meta={"A": 1},
            interp_kwargs={"bounds_error": False, "fill_value": None, "values_scale": "lin"},
        ),
        irf.Background2D([reco, offset], data=np.arange(1, 7).reshape(3, 2), unit="s-1 MeV-1 sr-1"),
        irf.EDispKernel([true, reco], data=rng.uniform(size=(4, 3))),
    ]


def _parts(table):
    unit = table.unit
    units = {k: u.Unit(v) for k, v in unit.items()} if isinstance(unit, dict) else u.Unit(unit)
    return (
        type(table).__name__,
        units,
        table.is_pointlike,
        table.fov_alignment.value,
        table.interp_kwargs,
        dict(table.meta),
        table.data.shape,
        table.data.dtype.names or table.data.dtype,
    )


@both_ways
@pytest.mark.parametrize("source", ["store", "hand"])
def test_a_table_keeps_all_of_its_content_and_is_itself_again(library, convert, convert_back, observations, source):
    for table in _tables(observations, library) if source == "store" else _made_by_hand(library):
        found = convert(table)
        assert _parts(found) == _parts(table)
        assert np.shares_memory(found.data, table.data)
        assert_array_equal(np.asarray(found.data), np.asarray(table.data))
        assert found.axes.names == table.axes.names
        assert convert(table) is found
        assert convert_back(found) is table


@both_ways
def test_tables_are_those_that_the_other_library_reads(library, convert, convert_back, observations):
    for table, native in zip(_tables(observations, library), _tables(observations, OTHER[library]), strict=True):
        found = convert(table)
        assert found.axes == native.axes
        assert found.is_allclose(native)
        assert type(found) is type(native)
        for mine, its in zip(found.axes, native.axes, strict=True):
            assert mine.node_type == its.node_type
            assert_allclose(mine.edges.to_value(its.unit), its.edges.value, rtol=1e-12)


@both_ways
@pytest.mark.parametrize("source", ["store", "hand"])
def test_both_tables_evaluate_to_the_same_numbers(library, convert, convert_back, observations, source):
    for table in _tables(observations, library) if source == "store" else _made_by_hand(library)[:5]:
        if table.axes.is_flat or 1 in table.axes.shape:
            continue
        coords = table.axes.get_coord()
        coords = {name: 1.01 * u.Quantity(value) for name, value in coords.items()}
        if table.tag in ("psf_3gauss", "psf_king"):
            coords["rad"] = 0.1 * u.deg
        expected = table.evaluate(**coords)
        scale = 1e-9 * np.abs(expected.value).max()
        assert_allclose(
            convert(table).evaluate(**coords).to_value(expected.unit), expected.value, rtol=1e-6, atol=scale
        )


def test_a_table_of_lightpool_without_a_fill_value_is_extrapolated_by_gammapy_too():
    table = _made_by_hand(lightpool)[3]
    table.interp_kwargs = {"values_scale": "lin"}
    coords = {name: 1.2 * value for name, value in table.axes.get_coord().items()}
    assert_allclose(to_gammapy(table).evaluate(**coords), table.evaluate(**coords), rtol=1e-9, atol=1e-12)


@both_ways
def test_a_write_to_one_table_is_seen_in_the_other(library, convert, convert_back):
    for table in _made_by_hand(library):
        found = convert(table)
        if table.data.dtype.names:
            table.data["sigma"][0] = 3
            assert np.all(found.data["sigma"][0] == 3)
            continue
        table.data[0] = 3
        assert np.all(found.data[0] == 3)
        found.data[1] = 5
        assert np.all(table.data[1] == 5)
        found.meta["NEW"] = 1
        assert table.meta["NEW"] == 1


@both_ways
def test_a_table_that_was_changed_is_converted_again(library, convert, convert_back):
    for change in ("data", "interp_kwargs", "meta", "quantity"):
        table = _made_by_hand(library)[3]
        before = convert(table)
        if change == "data":
            table.data = table.data * 2
        elif change == "quantity":
            table.quantity = table.quantity.to("s-1 GeV-1 sr-1")
        elif change == "interp_kwargs":
            table.interp_kwargs["fill_value"] = 0.0
        else:
            table.meta = {"B": 2}
        found = convert(table)
        assert found is not before
        assert _parts(found) == _parts(table)
        assert_array_equal(found.data, table.data)


@both_ways
def test_a_converted_table_that_was_changed_is_converted_back_as_it_is(library, convert, convert_back):
    table = _made_by_hand(library)[3]
    found = convert(table)
    found.data = found.data * 2
    assert_array_equal(convert_back(found).data, 2 * table.data)
    assert_array_equal(convert(table).data, table.data)


@both_ways
def test_a_table_of_one_point_has_the_same_axis_again_after_the_original_is_gone(library, convert, convert_back):
    table = _made_by_hand(library)[0]
    edges = table.axes["offset"].edges.copy()
    found = convert(table)
    del table
    gc.collect()
    assert_array_equal(convert_back(found).axes["offset"].edges, edges)


@both_ways
def test_a_table_is_freed_when_nobody_uses_it(library, convert, convert_back):
    from weakref import ref

    table = _made_by_hand(library)[0]
    found = convert(table)
    convert_back(found)
    refs = ref(table), ref(found)
    del table, found
    gc.collect()
    assert [_() for _ in refs] == [None, None]


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4"])
def test_tables_in_the_byte_order_of_files_are_shared_and_give_the_same_bits(dtype):
    table = _made_by_hand(gammapy)[3]
    table.data = table.data.astype(dtype)
    native = copy.copy(table)
    native.data = table.data.astype(np.dtype(dtype).newbyteorder("="))
    found, expected = from_gammapy(table), from_gammapy(native)
    assert found.data is table.data
    coords = {name: 1.01 * value for name, value in found.axes.get_coord().items()}
    assert_array_equal(found.evaluate(**coords), expected.evaluate(**coords))


def test_a_class_derived_from_a_table_of_gammapy_is_rejected():
    class Odd(gammapy.irf.EffectiveAreaTable2D):
        def evaluate(self, method=None, **kwargs):
            return 0

    table = _made_by_hand(gammapy)[1]
    with pytest.raises(TypeError, match="Odd, which is derived from EffectiveAreaTable2D"):
        from_gammapy(Odd(table.axes, table.data, "m2"))


def _response(library, name, with_exposure, dtype="float64", kind="wcs"):
    axis, rng = library.maps.MapAxis, np.random.default_rng(1)
    true = axis.from_energy_bounds("0.1 TeV", "10 TeV", 4, name="energy_true")
    reco = axis.from_energy_bounds("0.2 TeV", "10 TeV", 3)
    first = {
        "PSFMap": axis.from_bounds(0, 0.6, nbin=6, unit="deg", name="rad"),
        "RecoPSFMap": axis.from_bounds(0, 0.6, nbin=6, unit="deg", name="rad"),
        "EDispMap": axis.from_bounds(0.2, 5, nbin=10, name="migra", node_type="edges"),
        "EDispKernelMap": reco,
    }[name]
    axes = [first, reco if name == "RecoPSFMap" else true]
    if kind == "region":
        geom = library.maps.RegionGeom.create("icrs;circle(83.63, 22.01, 0.3)", axes=axes)
    else:
        geom = library.maps.WcsGeom.create(skydir=(83.63, 22.01), binsz=0.5, npix=(5, 4), axes=axes)
    data = rng.uniform(size=geom.data_shape).astype(dtype)
    irf_map = library.maps.Map.from_geom(geom, data=data, unit="sr-1" if "PSF" in name else "", meta={"m": 1})
    squashed = geom.squash(first.name)
    exposure = library.maps.Map.from_geom(squashed, data=rng.uniform(1, 2, squashed.data_shape), unit="m2 s")
    return getattr(library.irf, name)(irf_map, exposure if with_exposure else None)


def _irf_map(response):
    return response.psf_map if hasattr(response, "psf_map") else response.edisp_map


responses = pytest.mark.parametrize("name", ["PSFMap", "RecoPSFMap", "EDispMap", "EDispKernelMap"])


@both_ways
@responses
@pytest.mark.parametrize("with_exposure", [True, False])
@pytest.mark.parametrize("kind", ["wcs", "region"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_reduced_response_shares_its_maps(library, convert, convert_back, name, with_exposure, kind, dtype):
    response = _response(library, name, with_exposure, dtype, kind)
    found = convert(response)
    assert type(found).__name__ == name
    assert found.required_axes == response.required_axes
    back = convert_back(found)
    for each in (found, back):
        assert _irf_map(each).data is _irf_map(response).data
        assert _irf_map(each).unit == _irf_map(response).unit
        assert _irf_map(each).meta == {"m": 1}
        assert (each.exposure_map is not None) == with_exposure
        if with_exposure:
            assert each.exposure_map.data is response.exposure_map.data
            assert each.exposure_map.unit == "m2 s"
    assert _irf_map(back).geom is _irf_map(response).geom
    _irf_map(found).data[0] = 7
    assert np.all(_irf_map(response).data[0] == 7)


@both_ways
def test_both_reduced_responses_give_the_same_kernels(library, convert, convert_back):
    position = SkyCoord(83.5, 22.1, unit="deg")
    psf = _response(library, "PSFMap", True)
    radius = {"energy_true": 1 * u.TeV, "fraction": 0.5, "position": position}
    assert_allclose(convert(psf).containment_radius(**radius), psf.containment_radius(**radius), rtol=1e-6)
    for name in ("EDispMap", "EDispKernelMap"):
        edisp = _response(library, name, True)
        axis = library.maps.MapAxis.from_energy_bounds("0.2 TeV", "10 TeV", 3)
        given = [{"position": position, "energy_axis": _} for _ in (axis, convert(axis))]
        first, second = edisp.get_edisp_kernel(**given[0]), convert(edisp).get_edisp_kernel(**given[1])
        assert_allclose(second.pdf_matrix, first.pdf_matrix, rtol=1e-9, atol=1e-12)
        assert_allclose(convert(first).pdf_matrix, first.pdf_matrix)


def test_a_growing_stack_is_converted_as_its_mean():
    stack, other = (_response(lightpool, "PSFMap", True) for _ in range(2))
    other.exposure_map.data *= 3
    stack.stack(other)
    found = to_gammapy(stack)
    assert stack.psf_map.data is found.psf_map.data
    assert_allclose(found.psf_map.data, other.psf_map.data)
    assert_allclose(found.exposure_map.data, 4 / 3 * other.exposure_map.data)


@responses
def test_a_reduced_response_on_a_device_takes_one_transfer_for_each_map(name):
    response = _response(lightpool, name, True, "float32").to("strict")
    with count_transfers() as transfers:
        found = to_gammapy(response)
    assert transfers.to_host.number == 2
    assert _irf_map(found).data.dtype == "float32"


@both_ways
def test_a_kernel_of_the_point_spread_function_is_not_normalised_again(library, convert, convert_back):
    geom = library.maps.WcsGeom.create(
        npix=5, binsz=0.1, axes=[library.maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 2, name="energy_true")]
    )
    data = np.random.default_rng(0).uniform(size=geom.data_shape)
    kernel = library.irf.PSFKernel(library.maps.Map.from_geom(geom, data=data), normalize=False)
    found = convert(kernel)
    assert found.data is kernel.data
    assert type(found).__name__ == "PSFKernel"
    assert convert_back(found).psf_kernel_map.geom is geom


def test_a_class_derived_from_a_reduced_response_of_gammapy_is_rejected():
    class Odd(gammapy.irf.EDispMap):
        pass

    response = _response(gammapy, "EDispMap", False)
    with pytest.raises(TypeError, match="Odd, which is derived from EDispMap"):
        from_gammapy(Odd(response.edisp_map))
