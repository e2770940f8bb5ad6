"""Responses at pixels: against the plain evaluation of one pixel after the other, and stored numbers of Gammapy."""

import astropy.units as u
import numpy as np
import pytest
from irf_tables import (
    FOV_LAT,
    FOV_LON,
    MIGRA,
    OFFSET,
    aeff,
    bkg_2d,
    bkg_3d,
    edisp,
    gauss_psf,
    king_psf,
    project_aeff,
    project_background,
    project_edisp,
    project_edisp_kernel,
    project_psf,
    psf,
)
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import device_of, to_host
from lightpool.irf import IRF, Background2D, EffectiveAreaTable2D, EnergyDispersion2D
from lightpool.irf.projection.node_tables import NodeTable
from lightpool.irf.projection.tables_at_energies import edisp_kernel_nodes
from lightpool.maps import MapAxis

TRUE = MapAxis.from_energy_bounds("0.08 TeV", "120 TeV", nbin=7, name="energy_true")
RECO = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=5)
RAD = MapAxis.from_edges(np.linspace(0, 0.6, 9) * u.deg, name="rad")
MIGRA_MAP = MapAxis.from_edges([0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.5, 4], name="migra")

# Inside the outer nodes, beyond them, on an edge, on a node, outside, and nowhere.
OFFSETS = np.deg2rad([[0.0, 0.1, 0.25, 0.4, 0.75], [1.3, 1.5, 2.2, 2.4, 2.5], [2.6, 5.0, 0.9, 1.9, np.nan]])


def twin_normalised(values, widths):
    norm = np.sum(values * widths, axis=1, keepdims=True)
    return np.divide(values, norm, out=np.zeros_like(values), where=norm > 0)


def pixel_by_pixel(function):
    """Stack what a function gives for each offset, zeros for NaN."""
    columns = [function(offset * u.rad) for offset in np.nan_to_num(OFFSETS, nan=9.0).ravel()]
    return np.stack(columns, axis=-1).reshape(*columns[0].shape, *OFFSETS.shape)


def twin_kernel(table, offset):
    """Kernels at one offset, by the cumulative distribution of each true energy."""
    axis = table.axes["migra"]
    edges = np.log(axis.edges.value) if axis.interp == "log" else axis.edges.value
    kernel = np.zeros((TRUE.nbin, RECO.nbin))
    for i, energy in enumerate(TRUE.center):
        density = table.evaluate(energy_true=energy, offset=offset, migra=axis.center).value
        total = np.append(0, np.cumsum(density * axis.bin_width.value))
        if total[-1] > 0:
            migra = (RECO.edges / energy).to_value("")
            place = np.log(migra) if axis.interp == "log" else migra
            kernel[i] = np.diff(np.interp(place, edges, total / total[-1]))
    return np.where(kernel < 1e-8, 0, kernel)


def test_a_projected_effective_area_is_the_one_evaluated_at_each_pixel(backend):
    expected = pixel_by_pixel(lambda o: aeff().evaluate(energy_true=TRUE.center, offset=o).value)
    result = project_aeff(aeff(), TRUE, backend.array(OFFSETS))
    assert device_of(result) == backend.device
    assert_allclose(to_host(result), expected, rtol=1e-12, atol=1e-9)
    assert_array_equal(to_host(result) == 0, expected == 0)


def test_a_projected_psf_table_is_the_one_evaluated_at_each_pixel(backend):
    areas = (2 * np.pi * RAD.center * RAD.bin_width).to_value("sr")[:, None]

    def one(offset):
        values = psf().evaluate(energy_true=TRUE.center[:, None], rad=RAD.center, offset=offset).value
        return twin_normalised(values[..., None], areas)[..., 0]

    result = to_host(project_psf(psf(), TRUE, RAD, backend.array(OFFSETS)))
    assert_allclose(result, pixel_by_pixel(one), rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("make", [gauss_psf, king_psf])
def test_a_projected_parametric_psf_is_the_one_evaluated_at_each_pixel(backend, make):
    areas = (2 * np.pi * RAD.center * RAD.bin_width).to_value("sr")[:, None]

    def one(offset):
        values = make().evaluate(energy_true=TRUE.center[:, None], rad=RAD.center, offset=offset).value
        return twin_normalised(np.nan_to_num(values)[..., None], areas)[..., 0]

    expected = pixel_by_pixel(one)
    result = to_host(project_psf(make(), TRUE, RAD, backend.array(OFFSETS)))
    near = np.nan_to_num(OFFSETS, nan=9.0) < np.deg2rad(3)  # farther out the parameters are those of no profile
    assert_allclose(result[..., near], expected[..., near], rtol=1e-11)
    assert_array_equal(result[..., np.isnan(OFFSETS)], 0)


def test_a_projected_energy_dispersion_is_the_one_evaluated_at_each_pixel(backend):
    def one(offset):
        values = edisp().evaluate(energy_true=TRUE.center[:, None], migra=MIGRA_MAP.center, offset=offset).value
        return twin_normalised(values[..., None], MIGRA_MAP.bin_width.value[:, None])[..., 0]

    result = to_host(project_edisp(edisp(), TRUE, MIGRA_MAP, backend.array(OFFSETS)))
    assert_allclose(result, pixel_by_pixel(one), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("interp", ["lin", "log"])
def test_a_projected_kernel_is_the_integral_over_migra_at_each_pixel(backend, interp):
    migra = MIGRA.edges.value if interp == "lin" else np.geomspace(0.2, 3, 15)
    axes = edisp().axes.replace(MapAxis.from_edges(migra, name="migra", interp=interp))
    table = EnergyDispersion2D(axes=axes, data=edisp().data)
    result = to_host(project_edisp_kernel(table, RECO, TRUE, backend.array(OFFSETS)))
    assert_allclose(result, pixel_by_pixel(lambda o: twin_kernel(table, o)), rtol=1e-10, atol=1e-13)


def with_holes():
    table = edisp()
    table.data[3, 5:7, 1] = -0.3
    table.data[2, 6, 2] = np.nan
    return table


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_projected_a_few_pixels_at_a_time_is_what_is_projected_at_once(backend, dtype, tiny_blocks):
    offset = backend.array(np.concatenate([OFFSETS, OFFSETS[::-1]]))
    place = {"offset": offset, "dtype": dtype}
    jobs = [
        *(lambda psf=psf: project_psf(psf, TRUE, RAD, **place) for psf in (psf(), gauss_psf(), king_psf())),
        *(lambda edisp=edisp: project_edisp(edisp, TRUE, MIGRA_MAP, **place) for edisp in (edisp(), with_holes())),
        *(lambda edisp=edisp: project_edisp_kernel(edisp, RECO, TRUE, **place) for edisp in (edisp(), with_holes())),
        lambda: project_aeff(aeff(), TRUE, **place),
        lambda: project_background(bkg_2d(), RECO, **place),
        lambda: project_background(bkg_3d(), RECO, fov_lon=offset, fov_lat=-offset, dtype=dtype),
    ]
    at_once = [to_host(job()) for job in jobs]
    tiny_blocks()
    for job, expected in zip(jobs, at_once, strict=True):
        values = to_host(job())
        assert values.dtype == np.dtype(dtype)
        assert values.shape == expected.shape
        tiny = np.finfo(dtype).eps
        assert_allclose(values, expected, rtol=20 * tiny, atol=20 * tiny * np.abs(expected).max())


def test_negative_values_and_holes_in_a_table_become_zero_before_it_is_normalised(backend):
    table = edisp()
    table.data[3, 5:7, 1] = -0.3
    table.data[2, 6, 2] = np.nan
    offset = backend.array(OFFSETS)
    # On a node beside a hole the plain evaluation loses the value to 0 * nan, the projection does not.
    beside = np.isin(OFFSETS, np.deg2rad([0.25, 0.75, 1.5]))
    kernel = to_host(project_edisp_kernel(table, RECO, TRUE, offset))
    expected = pixel_by_pixel(lambda o: twin_kernel(table, o))
    assert_allclose(kernel[..., ~beside], expected[..., ~beside], rtol=1e-10, atol=1e-13)
    area = aeff()
    area.data[2, 1] = np.inf
    area.data[3, 2] = -1e4
    expected = pixel_by_pixel(lambda o: area.evaluate(energy_true=TRUE.center, offset=o).value)
    assert_allclose(to_host(project_aeff(area, TRUE, offset))[:, ~beside], expected[:, ~beside], rtol=1e-12, atol=1e-9)


def twin_background(table, **place):
    values = table.evaluate(energy=RECO.edges, **place)
    energy = RECO.edges
    result = np.zeros(RECO.nbin)
    for i in range(RECO.nbin):
        low, high = values[i].value, values[i + 1].value
        if low > 0 and high > 0:
            index = np.log(high / low) / np.log((energy[i + 1] / energy[i]).value)
            span = (energy[i + 1] / energy[i]).value ** (index + 1) - 1
            result[i] = (low * values.unit * energy[i]).to_value("s-1 sr-1") * span / (index + 1)
    return result


@pytest.mark.parametrize("values_scale", ["log", "lin", "sqrt"])
def test_a_projected_background_in_offset_is_the_integral_at_each_pixel(backend, values_scale):
    table = bkg_2d()
    table.interp_kwargs["values_scale"] = values_scale
    expected = pixel_by_pixel(lambda o: twin_background(table, offset=o))
    assert_allclose(to_host(project_background(table, RECO, backend.array(OFFSETS))), expected, rtol=1e-11)


def test_background_in_the_plane(backend):
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(-2.7, 2.7, (4, 6)), rng.uniform(-2.2, 2.2, (4, 6))
    lon[0, :2], lat[0, :2] = [2.5, 0.0], [2.0, np.nan]
    table = bkg_3d()
    table.data[1, 2, 2] = np.nan
    result = to_host(
        project_background(table, RECO, fov_lon=backend.array(np.deg2rad(lon)), fov_lat=backend.array(np.deg2rad(lat)))
    )
    for place in np.ndindex(4, 6):
        expected = twin_background(table, fov_lon=lon[place] * u.deg, fov_lat=lat[place] * u.deg)
        assert_allclose(result[:, *place], expected, rtol=1e-11)


@pytest.mark.parametrize("with_hole", [False, True])
def test_bits_of_a_background_do_not_depend_on_the_size_of_its_pieces(monkeypatch, with_hole):
    table = bkg_3d()
    if with_hole:
        table.data[1, 2, 2] = np.nan
    lon, lat = np.meshgrid(np.deg2rad(np.linspace(-3.3, 3, 41)), np.deg2rad(np.linspace(-2, 3.9, 37)))
    at_once = project_background(table, RECO, fov_lon=lon, fov_lat=lat)
    assert (at_once > 0).any()
    for n_parts, n_integrated in [(1, 1), (3, 60), (2, 10_000)]:
        monkeypatch.setattr("lightpool.irf.projection.integrate_background._N_PARTS", n_parts)
        monkeypatch.setattr("lightpool.irf.projection.integrate_background._N_INTEGRATED", n_integrated)
        assert_array_equal(project_background(table, RECO, fov_lon=lon, fov_lat=lat), at_once)


@pytest.mark.parametrize("center", [0.0, 1.5, 9.0])
def test_a_factor_of_each_pixel_multiplies_the_background(backend, center):
    lon, lat = np.deg2rad(center + np.linspace(-4, 4, 30)), np.deg2rad(np.linspace(-4, 4, 40)[:, np.newaxis])
    lon, lat = (backend.array(x) for x in np.broadcast_arrays(lon, lat))
    factor = np.random.default_rng(5).uniform(0.5, 2, (40, 30))
    factor[0, 0] = np.nan
    plain = to_host(project_background(bkg_3d(), RECO, fov_lon=lon, fov_lat=lat))
    scaled = to_host(project_background(bkg_3d(), RECO, fov_lon=lon, fov_lat=lat, factor=backend.array(factor)))
    assert_allclose(scaled, plain * factor, rtol=1e-12)
    assert (plain > 0).any() == (center < 9)


@pytest.mark.parametrize(("scale", "dtype"), [("log", np.float64), ("log", np.float32), ("lin", np.float64)])
def test_a_bin_with_an_empty_edge_has_no_background(backend, scale, dtype):
    data = bkg_2d().data.astype(dtype)
    data[2:] = 0
    table = Background2D(axes=bkg_2d().axes, data=data, unit="s-1 MeV-1 sr-1")
    table.interp_kwargs["values_scale"] = scale
    rate = to_host(project_background(table, table.axes["energy"].center, backend.array([0.01])))[:, 0]
    assert rate[0] > 0
    assert_allclose(rate[1:] / rate[0], 0, atol=1e-2 if dtype == np.float32 else 0)


class AreaInPlane(IRF):
    """Effective area in (fov_lon, fov_lat), as an experiment may define it."""

    tag = "aeff_2d"
    required_axes = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
    default_unit = u.m**2


class EdispInPlane(EnergyDispersion2D):
    """Energy dispersion in (fov_lon, fov_lat)."""

    required_axes = ["energy_true", "migra", "fov_lon", "fov_lat"]  # noqa: RUF012

    def _mask_out_bounds(self, outside):
        energy, migra, lon, lat = outside
        return (energy & migra) | lon | lat


def test_tables_in_the_plane_take_the_same_way(backend):
    rng = np.random.default_rng(4)
    axes = [aeff().axes["energy_true"], FOV_LON, FOV_LAT]
    area = AreaInPlane(axes=axes, data=rng.uniform(-0.1, 1, (6, 5, 4)), unit="m2")
    spread = EdispInPlane(axes=[axes[0], MIGRA, *axes[1:]], data=rng.uniform(0, 1, (6, 14, 5, 4)))
    lon, lat = rng.uniform(-2.7, 2.7, 30), rng.uniform(-2.2, 2.2, 30)
    place = {"fov_lon": backend.array(np.deg2rad(lon)), "fov_lat": backend.array(np.deg2rad(lat))}
    values, kernel = project_aeff(area, TRUE, **place), project_edisp_kernel(spread, RECO, TRUE, **place)
    for i in range(30):
        here = {"fov_lon": lon[i] * u.deg, "fov_lat": lat[i] * u.deg}
        assert_allclose(to_host(values)[:, i], area.evaluate(energy_true=TRUE.center, **here).value, atol=1e-12)
        density = spread.evaluate(energy_true=TRUE.center[:, None], migra=MIGRA.center, **here).value
        density = twin_normalised(density[..., None], MIGRA.bin_width.value[:, None])[..., 0]
        shares = edisp_kernel_nodes(spread, RECO.edges, TRUE.center).shares
        assert_allclose(to_host(kernel)[..., i], np.sum(shares * density[:, None, :], axis=-1), atol=1e-12)


def test_a_table_of_one_offset_is_zero_outside_it(backend):
    table = aeff().slice_by_idx({"offset": slice(2, 3)})
    values = to_host(project_aeff(table, TRUE, backend.array(np.deg2rad([0.9, 1.1, 1.9, 2.1]))))
    assert_array_equal(values[3] > 0, [False, True, True, False])
    assert_array_equal(values[:, 1], values[:, 2])


def test_projected_kernels_are_probabilities_at_each_pixel(backend):
    offset = backend.array(np.deg2rad(np.linspace(0, 2.5, 40)))
    wide = MapAxis.from_energy_bounds("0.001 TeV", "10000 TeV", nbin=21)
    kernel = to_host(project_edisp_kernel(edisp(), wide, TRUE, offset))
    assert_allclose(kernel.sum(axis=1), 1, rtol=1e-6)
    profile = to_host(project_psf(psf(), TRUE.center[1:-1], RAD, offset))
    areas = (2 * np.pi * RAD.center * RAD.bin_width).to_value("sr")
    assert_allclose(np.einsum("erp,r->ep", profile, areas), 1, rtol=1e-12)


def test_node_tables_are_made_once_and_anew_when_the_values_change(backend):
    table, offset = aeff(), backend.array(OFFSETS)
    first = to_host(project_aeff(table, TRUE, offset))
    kept, n_kept = table._derived, len(table._derived)
    project_aeff(table, TRUE.copy(), offset)
    assert table._derived is kept
    assert len(kept) == n_kept > 0
    table.data *= 2
    assert_allclose(to_host(project_aeff(table, TRUE, offset)), 2 * first)


def test_coordinates_and_axes_of_the_wrong_kind_are_refused():
    offset = np.zeros(3)
    with pytest.raises(ValueError, match="offset"):
        project_aeff(aeff(), TRUE, fov_lon=offset, fov_lat=offset)
    with pytest.raises(ValueError, match="fov_lon"):
        project_background(bkg_3d(), RECO, offset)
    with pytest.raises(TypeError, match="rad must be a MapAxis"):
        project_psf(psf(), TRUE, RAD.center, offset)


# Made with Gammapy 2.1: the tables of irf_tables.py through make_map_exposure_true_energy (livetime 1 s), make_psf_map
# (sr-1), make_edisp_map, make_edisp_kernel_map, and make_map_background_irf (1 s) over the solid angle; on one pixel at
# longitude 0 and latitude = offset (deg) of a pointing at (0, 0). PSF and edisp at the third true energy.
STORED_TRUE = MapAxis.from_energy_bounds("0.08 TeV", "120 TeV", nbin=4, name="energy_true")
STORED_RECO = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=3)
STORED_RAD = MapAxis.from_edges(np.linspace(0, 0.6, 5) * u.deg, name="rad")
STORED_MIGRA = MapAxis.from_edges([0.1, 0.5, 0.9, 1.3, 4], name="migra")
STORED = {
    0.1: {
        "aeff": [51405.41547505464, 117083.70784681293, 284173.4678821851, 695665.7062164529],
        "psf": [46442.209583807264, 0, 0, 0],
        "gauss_psf": [27559.074742202454, 5070.874298838764, 686.2681948665868, 34.16728153651339],
        "king_psf": [33018.48153547651, 2813.345958805395, 656.7168491714683, 242.8722751510327],
        "edisp": [0, 0.4395090472293052, 2.0604909527706945, 0],
        "kernel": [
            [0.1413141842024571, 0, 0],
            [0.5520985827316186, 0.4479014172683814, 0],
            [0, 0.1483272466201954, 0.8516727533798042],
            [0, 0, 0.0126416450530192],
        ],
        "bkg_2d": [44.838356366496654, 3.2984989563714433, 0.2426515208597865],
        "bkg_3d": [34.84505259313717, 2.5633493046380225, 0.1885708061431466],
    },
    0.8: {
        "aeff": [19313.19758780041, 44753.28584168277, 103052.59287558391, 268577.625420252],
        "psf": [34542.15504371035, 3597.043695835152, 221.78469051829282, 0],
        "gauss_psf": [29913.626533946608, 4438.6155518313235, 600.67882598623214, 29.906037776504132],
        "king_psf": [31524.45742887308, 3224.0564866514997, 707.4100798133343, 244.07604227328892],
        "edisp": [0.0326415531724046, 0.7481982630284367, 1.7191601837991586, 0],
        "kernel": [
            [0.1977769796366005, 0, 0],
            [0.5381413205825106, 0.4607556433517324, 0],
            [0, 0.2207273953605883, 0.7792726046394117],
            [0, 0, 0.0587732530996538],
        ],
        "bkg_2d": [26.404911991348165, 1.9424568986123785, 0.142895337208589],
        "bkg_3d": [22.97127443086745, 1.6898640110134457, 0.1243135370792141],
    },
    2.4: {
        "aeff": [0, 0, 0, 0],
        "psf": [8106.309970250857, 6477.392289041982, 3780.7445492860943, 0],
        "gauss_psf": [30713.825579952347, 4243.4460403091134, 560.53875587148129, 27.907443352882186],
        "king_psf": [26316.854858188857, 4450.333989444284, 946.9308647571916, 291.38549049994276],
        "edisp": [0.27031341510768053, 0.94365788107337301, 1.283127730973523, 0.00042977375487754908],
        "kernel": [
            [0.2857500289207933, 0, 0],
            [0.5091406302538968, 0.4834663629983558, 0],
            [0, 0.3018763836626817, 0.6981236163373183],
            [0, 0, 0.1502642473065956],
        ],
        "bkg_2d": [0.8487845051326702, 0.0624401746906207, 0.0045933630878262],
        "bkg_3d": [0, 0, 0],
    },
}


@pytest.mark.parametrize("offset_deg", STORED)
def test_projected_responses_have_the_stored_numbers_of_gammapy(backend, offset_deg):
    expected = STORED[offset_deg]
    offset, zero = backend.array([np.deg2rad(offset_deg)]), backend.array([0.0])
    results = {
        "aeff": project_aeff(aeff(), STORED_TRUE, offset),
        **{f.__name__: project_psf(f(), STORED_TRUE, STORED_RAD, offset)[2, :, :] for f in (psf, gauss_psf, king_psf)},
        "edisp": project_edisp(edisp(), STORED_TRUE, STORED_MIGRA, offset)[2, :, :],
        "kernel": project_edisp_kernel(edisp(), STORED_RECO, STORED_TRUE, offset),
        "bkg_2d": project_background(bkg_2d(), STORED_RECO, offset),
        "bkg_3d": project_background(bkg_3d(), STORED_RECO, fov_lon=zero, fov_lat=offset),
    }
    for name, values in results.items():
        assert_allclose(to_host(values)[..., 0], expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_background_of_gammapy_in_a_corner_of_the_field(backend):
    lon, lat = backend.array(np.deg2rad([-1.3])), backend.array(np.deg2rad([-1.9]))
    rate = project_background(bkg_3d(), STORED_RECO, fov_lon=lon, fov_lat=lat)
    expected = [1.700481020433415, 0.1250945691537468, 0.009202485087292]  # Gammapy 2.1, at (1.3, -1.9) deg
    assert_allclose(to_host(rate)[:, 0], expected, rtol=1e-9)


def test_offsets_are_those_of_the_table(backend):
    nodes = backend.array(OFFSET.center.to_value("rad"))
    energy = aeff().axes["energy_true"].center
    assert_allclose(to_host(project_aeff(aeff(), energy, nodes)), aeff().data, rtol=1e-12)
    assert isinstance(aeff(), EffectiveAreaTable2D)


@pytest.mark.parametrize(("make", "name"), [(gauss_psf, "sigma_1"), (gauss_psf, "ampl_2"), (king_psf, "gamma")])
def test_a_parameter_that_is_missing_leaves_the_pixels_that_touch_it_without_psf(backend, make, name):
    whole = make()
    data = {key: np.array(values) for key, values in whole.quantity.items()}
    units = {key: values.unit for key, values in whole.quantity.items()}
    data[name][:, 3] = np.nan  # the outermost offset
    table = type(whole)(axes=whole.axes, data=data, unit=units)
    result = to_host(project_psf(table, TRUE, RAD, backend.array(OFFSETS)))
    expected = to_host(project_psf(whole, TRUE, RAD, backend.array(OFFSETS)))
    known = np.nan_to_num(np.rad2deg(OFFSETS), nan=9.0) <= 1.5  # centre of the bin before
    assert_allclose(result[..., known], expected[..., known], rtol=1e-12)
    assert expected[..., ~known].max() > 0


@pytest.mark.parametrize("n_node", [1, 2, 5])
@pytest.mark.parametrize("n_axis", [1, 2])
def test_rows_that_dip_are_those_that_are_negative_at_an_edge(n_node, n_axis):
    rng = np.random.default_rng(n_node + 10 * n_axis)
    shape, nodes = (60, 3, *(n_node,) * n_axis), np.arange(1.0, n_node + 1)
    values = rng.random(shape) + 0.15
    values[:4] -= 0.4  # negative at nodes
    field = ("offset",) if n_axis == 1 else ("fov_lon", "fov_lat")
    table = NodeTable(values, field, (nodes,) * n_axis, ((0.4, n_node + 0.3),) * n_axis, ("lin",) * n_axis)
    edges = np.concatenate([[0.4], nodes, [n_node + 0.3]])
    wide = values
    for axis in range(n_axis):
        if n_node > 1:
            weights = np.apply_along_axis(lambda y: np.interp(edges, nodes, y), 0, np.eye(n_node))
            weights[0, :2], weights[-1, -2:] = [1.6, -0.6], [-0.3, 1.3]
            wide = np.moveaxis(np.tensordot(weights, wide, axes=(1, 2 + axis)), 0, 2 + axis)
    awkward = np.flatnonzero((values < 0).reshape(60, -1).any(axis=1))
    dipping = np.setdiff1d(np.flatnonzero((wide < 0).reshape(60, -1).any(axis=1)), awkward)
    assert_array_equal(table.awkward, awkward)
    assert_array_equal(table.dipping, dipping)
    assert n_node == 1 or 0 < len(dipping) < 60 - len(awkward)
