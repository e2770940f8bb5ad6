"""Datasets of maps and spectra, to Gammapy and back."""

from functools import lru_cache

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from deep_comparison import covariance_of, differences
from gammapy import datasets as gammapy_datasets
from gammapy.modeling import models as gammapy_models
from gammapy.utils.metadata import ObsInfoMetaData as GammapyObsInfoMetaData
from gammapy.utils.metadata import PointingInfoMetaData as GammapyPointingInfoMetaData
from numpy.testing import assert_allclose, assert_array_equal
from reduced import KINDS, RUNS, names_of, reduce, stacked

from lightpool.arrays import count_transfers, to_host
from lightpool.data import GTI
from lightpool.data.metadata import CreatorMetaData
from lightpool.datasets import Datasets, FoVBackgroundModel, MapDataset, Models, SpectrumDataset
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.spectral_norms import PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from lightpool.gammapy import from_gammapy, to_gammapy
from lightpool.gammapy.installation import version
from lightpool.maps import Map, MapAxis, RegionGeom

VARIANTS = ("stack", "no masks", "no safe bin", "single", "fit mask")


@pytest.fixture(scope="session")
def reduced(crab_store):
    """Reduces the simulated runs, or their stack, once each: for reading only."""
    runs = lru_cache(None)(lambda package, kind, migra: reduce(package, kind, crab_store, migra))
    stack_of = lru_cache(None)(lambda package, kind, migra: stacked(runs(package, kind, migra)))
    return lambda package, kind, stack=True, migra=False: (stack_of if stack else runs)(package, kind, migra)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def maps_of(dataset):
    """Every map of a dataset of either package, those of the responses too."""
    names = ("counts", "exposure", "background", "counts_off", "acceptance", "acceptance_off", "mask_safe", "mask_fit")
    if "OnOff" in dataset.tag:
        names = [name for name in names if name != "background"]  # computed from the others
    found = {name: getattr(dataset, name, None) for name in names}
    for name in ("psf", "edisp"):
        response = getattr(dataset, name)
        if response is not None:
            found |= {name: getattr(response, f"{name}_map"), f"{name} exposure": response.exposure_map}
    return {name: data for name, data in found.items() if data is not None}


def variant(dataset, name):
    """A copy of a dataset that has, or lacks, something."""
    new = dataset.copy(name=f"the {name}")
    if name == "no masks":
        new.mask_safe = None
    elif name == "no safe bin":
        new.mask_safe.data[...] = False
    elif name == "fit mask":
        new.mask_fit = Map.from_geom(new.geom, data=np.random.default_rng(3).uniform(size=new.data_shape) > 0.5)
    elif name == "single":
        new = new.to(precision="single")
    return new


def with_model(dataset):
    """A copy of a dataset with a background model."""
    new = dataset.copy(name="with model")
    new.models = FoVBackgroundModel("with model", PowerLawNormSpectralModel(tilt=0.1, norm=1.3))
    return new


def printed(dataset, without=()):
    """Lines of the summary; Gammapy leaves blanks at the end of some."""
    lines = [line.rstrip() for line in str(dataset).rstrip().splitlines()]
    if version() < (2, 0):
        lines.sort()  # its models have their parameters in another order
    return [line for line in lines if not any(word in line for word in without)]


def assert_same_figures(ours, theirs, rtol):
    """All that can be asked of a dataset has one answer."""
    figures, expected = ours.info_dict(), theirs.info_dict()
    assert list(figures) == list(expected)
    # Without any OFF counts these are NaN in Gammapy, see docs/differences.md.
    unknown = {"excess", "sqrt_ts", "alpha", "excess_rate"} if expected.get("counts_off") == 0 else set()
    for key, value in expected.items():
        if key in unknown:
            assert np.isnan(value)
        elif isinstance(value, str):
            assert figures[key] == value
        else:
            assert u.Quantity(figures[key]).unit == u.Quantity(value).unit, key
            assert_allclose(u.Quantity(figures[key]).value, u.Quantity(value).value, rtol=rtol, atol=1e-9, err_msg=key)
    assert printed(ours, unknown) == printed(theirs, unknown)
    assert_allclose(ours.stat_sum(), theirs.stat_sum(), rtol=rtol)
    assert_allclose(to_host(ours.stat_array()), theirs.stat_array(), rtol=rtol, atol=1e-9)
    for name in ("npred", "npred_background", "npred_signal"):
        one, other = getattr(ours, name)(), getattr(theirs, name)()
        if other is None:
            assert one is None
            continue
        assert one.unit == other.unit
        assert_allclose(to_host(one.data), other.data, rtol=rtol, atol=1e-12, err_msg=name)
    for one, other in zip(ours.energy_range_safe, theirs.energy_range_safe, strict=True):
        assert one.unit == other.unit
        assert_allclose(to_host(one.data), other.data, rtol=1e-15)  # Gammapy computes the edges of bins


@pytest.mark.parametrize("stack", [True, False], ids=["stack", "runs"])
def test_a_dataset_of_gammapy_comes_back_as_it_was(reduced, kind, stack):
    theirs = reduced("gammapy", kind, stack=stack)
    back = to_gammapy(from_gammapy(theirs))
    assert differences(theirs, back, kind) == []


def test_a_map_dataset_of_gammapy_with_migra_comes_back_as_it_was(reduced):
    theirs = reduced("gammapy", "MapDataset", migra=True)
    assert differences(theirs, to_gammapy(from_gammapy(theirs))) == []


def test_a_dataset_comes_back_as_it_was(reduced, kind):
    ours = reduced("lightpool", kind).copy(name="mine")
    ours.mask_fit = Map.from_geom(ours.geom, data=np.ones(ours.data_shape, dtype=bool))
    ours.models = FoVBackgroundModel("mine", PowerLawNormSpectralModel(norm=1.2))
    there = ours.to_gammapy()
    assert type(there).__module__.startswith("gammapy")
    back = type(ours).from_gammapy(there)
    assert type(back) is type(ours)
    for name, one in maps_of(ours).items():
        other = maps_of(back)[name]
        assert other.geom is one.geom, name
        assert other.data is one.data, name
        assert other.unit == one.unit
        assert other.meta is one.meta
    assert back.gti.table is ours.gti.table
    assert back.gti.time_ref == ours.gti.time_ref
    assert back.meta_table is ours.meta_table
    assert np.shape(ours.meta_table["OBS_ID"]) == (1, len(RUNS))
    assert (back.name, back.stat_type, back.precision) == (ours.name, ours.stat_type, ours.precision)
    assert back.meta.creation.creator == ours.meta.creation.creator
    assert back.meta.creation.date == ours.meta.creation.date
    assert back.models.to_dict(full_output=True) == ours.models.to_dict(full_output=True)
    assert differences(there, to_gammapy(back), kind) == []


@pytest.mark.parametrize("package", ["lightpool", "gammapy"])
@pytest.mark.parametrize(("kind", "migra"), [*((kind, False) for kind in KINDS), ("MapDataset", True)])
def test_no_map_is_copied(reduced, package, kind, migra):
    dataset = reduced(package, kind, migra=migra).copy(name="original")
    converted = to_gammapy(dataset) if package == "lightpool" else from_gammapy(dataset)
    assert list(maps_of(converted)) == list(maps_of(dataset))
    for name, data in maps_of(dataset).items():
        assert np.shares_memory(maps_of(converted)[name].data, data.data), name
        value = maps_of(converted)[name].data.dtype.type(1)
        data.data.flat[-1] = value
        assert maps_of(converted)[name].data.flat[-1] == value, name


def test_maps_of_one_geometry_have_one_in_gammapy(reduced):
    there = reduced("lightpool", "MapDataset").to_gammapy()
    assert there.counts.geom is there.background.geom
    assert there.counts.geom is there.mask_safe.geom
    assert there.exposure.geom.axes["energy_true"] is there.psf.psf_map.geom.axes["energy_true"]


def test_masks_of_numbers_become_masks():
    theirs = reduce_nothing().to_gammapy()
    theirs.mask_fit = theirs.counts.copy(data=np.array([0.0, 1.0, 1.0]).reshape(3, 1, 1))
    ours = from_gammapy(theirs)
    assert ours.mask_fit.data.dtype == bool
    assert_array_equal(ours.mask_fit.data.ravel(), [False, True, True])
    assert_array_equal(ours.mask.data, theirs.mask.data.astype(bool))


@pytest.mark.parametrize("name", VARIANTS)
def test_both_packages_find_the_same_figures(reduced, kind, name):
    ours = variant(reduced("lightpool", kind), name)
    single = name == "single"
    assert ours.precision == ("single" if single else "double")
    theirs = ours.to_gammapy()
    assert {data.data.dtype for key, data in maps_of(theirs).items() if "mask" not in key} == {
        np.dtype("float32" if single else "float64")
    }
    assert_same_figures(ours, theirs, rtol=2e-5 if single else 1e-11)
    assert_same_figures(from_gammapy(theirs), theirs, rtol=2e-5 if single else 1e-11)


@pytest.mark.parametrize("kind", ["MapDataset", "SpectrumDataset"], indirect=True)
def test_both_packages_apply_the_background_model(reduced, kind):
    ours = with_model(reduced("lightpool", kind))
    theirs = ours.to_gammapy()
    assert theirs.background_model.spectral_model.norm.value == 1.3
    assert_same_figures(ours, theirs, rtol=1e-11)
    theirs.models["with model-bkg"].spectral_model.norm.value = 0.7
    assert_same_figures(from_gammapy(theirs), theirs, rtol=1e-11)


def test_both_packages_find_the_same_figures_for_a_run_of_gammapy(reduced, kind):
    for theirs in reduced("gammapy", kind, stack=False):
        # its maps are of single precision
        assert_same_figures(from_gammapy(theirs), theirs, rtol=2e-5)


def reduce_nothing(dataset_class=MapDataset, **kwargs):
    """A dataset with counts alone, of zeros, on three bins."""
    axis = MapAxis.from_energy_bounds("1 TeV", "8 TeV", nbin=3)
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[axis])
    return dataset_class(counts=Map.from_geom(geom), name="empty", **kwargs)


@pytest.mark.parametrize("dataset_class", [MapDataset, SpectrumDataset])
def test_a_dataset_of_counts_alone_has_the_same_figures(dataset_class):
    ours = reduce_nothing(dataset_class)
    theirs = ours.to_gammapy()
    assert (theirs.gti, theirs.meta_table, theirs.mask_safe, theirs.models) == (None, None, None, None)
    assert_same_figures(ours, theirs, rtol=0)


def test_an_empty_list_of_models_is_not_the_same_as_no_models():
    ours = reduce_nothing(models=[])
    theirs = ours.to_gammapy()
    assert len(theirs.models) == 0
    assert from_gammapy(theirs).models is not None


@pytest.mark.parametrize("package", ["lightpool", "gammapy"])
def test_a_dataset_with_another_axis_and_a_psf_in_reconstructed_energy(package):
    lib = names_of(package)
    axes = [
        lib.MapAxis.from_energy_bounds("1 TeV", "8 TeV", nbin=3),
        lib.LabelMapAxis(["good", "better"], name="event type"),
    ]
    geom = lib.WcsGeom.create(skydir=(83.63, 22.01), npix=4, binsz=0.1, axes=axes)
    created = lib.MapDataset.create(geom, name="created", reco_psf=True)
    created.mask_safe.data[1:] = True
    ours, theirs = (created, to_gammapy(created)) if package == "lightpool" else (from_gammapy(created), created)
    assert type(ours.psf).__name__ == type(theirs.psf).__name__ == "RecoPSFMap"
    assert differences(theirs, to_gammapy(from_gammapy(theirs))) == []
    for name, data in maps_of(ours).items():
        assert data.geom.axes.names == maps_of(theirs)[name].geom.axes.names
        assert np.shares_memory(data.data, maps_of(theirs)[name].data)
    assert_same_figures(ours, theirs, rtol=1e-11)


@pytest.mark.parametrize("package", ["lightpool", "gammapy"])
def test_a_dataset_of_zeros_has_the_same_figures(kind, package):
    lib = names_of(package)
    axis = lib.MapAxis.from_energy_bounds("1 TeV", "8 TeV", nbin=3)
    geom = lib.RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[axis])
    if kind.startswith("Map"):
        geom = lib.WcsGeom.create(skydir=(83.63, 22.01), npix=4, binsz=0.1, axes=[axis])
    created = getattr(lib, kind).create(geom, name="created")
    ours, theirs = (created, to_gammapy(created)) if package == "lightpool" else (from_gammapy(created), created)
    assert differences(theirs, to_gammapy(from_gammapy(theirs))) == []
    assert len(theirs.gti.table) == 0
    with np.errstate(all="ignore"):  # Gammapy divides by zero
        assert_same_figures(ours, theirs, rtol=0)


def test_a_dataset_on_a_device_crosses_once_map_by_map(reduced, kind, backend):
    ours = reduced("lightpool", kind).to(backend.device)
    ours.info_dict()  # what is computed when it is read
    with count_transfers() as transfers:
        theirs = ours.to_gammapy()
    expected = maps_of(ours)
    if not backend.device.is_host:
        assert transfers.to_host.number == len(expected)
        assert transfers.to_host.bytes == sum(data.data.nbytes for data in maps_of(theirs).values())
    assert transfers.to_device.number == 0
    for name, data in expected.items():
        assert_array_equal(maps_of(theirs)[name].data, to_host(data.data), err_msg=name)
    assert_same_figures(ours, theirs, rtol=1e-11)


def test_a_stack_that_grows_is_computed_once_and_goes_on_growing(crab_store):
    runs = reduce("lightpool", "MapDatasetOnOff", crab_store)
    stack, expected = (runs[0].to_masked(name="all") for _ in range(2))
    stack.stack(runs[1])
    there = stack.to_gammapy()
    assert stack.psf.psf_map.data is there.psf.psf_map.data
    assert stack.counts_off.data is there.counts_off.data
    assert np.shape(there.meta_table["OBS_ID"]) == (1, 2)
    stack.stack(runs[2])
    for run in runs[1:3]:
        expected.stack(run)
    for name, data in maps_of(expected).items():
        assert_allclose(maps_of(stack)[name].data, data.data, rtol=1e-12, atol=1e-12, err_msg=name)


def test_a_list_of_datasets_comes_back_with_its_models(reduced):
    theirs = reduced("gammapy", "MapDataset", stack=False)
    here = Datasets.from_gammapy(theirs)
    assert here.names == theirs.names
    assert here.models.names == theirs.models.names
    for i, dataset in enumerate(here):
        assert dataset.background_model is here.models[i]
    back = here.to_gammapy()
    assert differences(theirs, back) == []
    assert printed(here) == printed(theirs)


def test_datasets_share_models_and_their_covariance():
    datasets = gammapy_datasets.Datasets()
    for name in ("a", "b"):
        datasets.append(reduce_nothing().copy(name=name).to_gammapy())
    models = gammapy_models.Models([gammapy_models.FoVBackgroundModel("a"), gammapy_models.FoVBackgroundModel("b")])
    models[1].spectral_model.tilt = models[0].spectral_model.tilt
    datasets.models = models
    root = np.random.default_rng(1).normal(size=(6, 6))
    covariance = root @ root.T
    shared = models[0].parameters.names.index("tilt")
    covariance[3 + shared], covariance[:, 3 + shared] = covariance[shared], covariance[:, shared]
    models.covariance = covariance
    datasets.models = models
    assert datasets.models.covariance.data[2, 5] != 0

    here = from_gammapy(datasets)
    assert here[0].background_model.spectral_model.tilt is here[1].background_model.spectral_model.tilt
    assert_allclose(here.models.covariance, covariance_of(datasets.models, here.models), rtol=1e-15)
    back = here.to_gammapy()
    assert back[0].models[0].spectral_model.tilt is back[1].models[0].spectral_model.tilt
    assert_allclose(back.models.covariance.data, datasets.models.covariance.data, rtol=1e-15)
    assert [len(dataset.models) for dataset in back] == [1, 1]


def test_a_dataset_without_models_stays_without_beside_correlated_ones():
    datasets = Datasets([reduce_nothing().copy(name=name) for name in "abc"])
    models = Models([FoVBackgroundModel("a"), FoVBackgroundModel("b")], covariance_data=np.full((6, 6), 0.5))
    datasets.models = models
    datasets[2].models = None
    there = datasets.to_gammapy()
    assert [dataset.models is None for dataset in there] == [False, False, True]
    assert_allclose(there.models.covariance.data, 0.5)


def test_what_a_file_holds_is_read_when_it_is_used(reduced, tmp_path):
    reduced("gammapy", "MapDataset").write(tmp_path / "all.fits.gz")
    theirs = gammapy_datasets.MapDataset.read(tmp_path / "all.fits.gz", lazy=True)
    ours = from_gammapy(theirs)
    assert "exposure" not in vars(theirs)
    assert_array_equal(ours.exposure.data, theirs.exposure.data)
    assert "psf" not in vars(theirs)
    assert_array_equal(ours.psf.psf_map.data, theirs.psf.psf_map.data)
    assert ours.exposure.data.dtype.isnative  # the only reason for a copy: FITS has another byte order


def test_metadata_come_back_as_they_were():
    info = [GammapyObsInfoMetaData(obs_id=i, telescope="simulated") for i in (3, 5)]
    pointing = GammapyPointingInfoMetaData(radec_mean=reduce_nothing().geom.center_skydir)
    meta = gammapy_datasets.map.MapDatasetMetaData(
        obs_info=info, pointing=[pointing], event_type=["1", "2"], optional={"key": 1}
    )
    ours = from_gammapy(meta)
    assert [each.obs_id for each in ours.obs_info] == [3, 5]
    assert ours.optional == {"key": 1}
    assert differences(meta, to_gammapy(ours)) == []
    mine = MapDatasetMetaData(creation=CreatorMetaData("me", "2026-11-29 01:02:03.456", "here"), event_type="1")
    there = to_gammapy(mine)
    assert (there.creation.creator, there.creation.origin) == ("me", "here")
    assert there.creation.date.iso == "2026-11-29 01:02:03.456"
    assert there.event_type == "1"
    assert there.creation.to_header() == mine.creation.to_header()
    none = MapDatasetMetaData(creation=None)
    assert to_gammapy(none).creation is None
    assert from_gammapy(to_gammapy(none)) == none


def test_the_name_in_gammapy_is_a_plain_string():
    there = MapDataset().to_gammapy()
    assert type(there.name) is str


def test_tables_and_times_are_the_same_objects():
    table = Table({"TELESCOP": ["x"], "OBS_ID": [7]})
    gti = GTI.create([0.0] * u.s, [10.0] * u.s, reference_time="2020-02-02")
    there = reduce_nothing(meta_table=table, gti=gti).to_gammapy()
    assert there.meta_table is table
    assert there.gti.table is gti.table


@pytest.mark.parametrize("statistic", ["cash_weighted", "chi2"])
def test_a_statistic_that_lightpool_lacks_is_refused(statistic):
    theirs = reduce_nothing().to_gammapy()
    theirs.stat_type = statistic
    with pytest.raises(TypeError, match=f"'{statistic}'"):
        from_gammapy(theirs)


def test_datasets_of_other_kinds_are_refused():
    class Mine(gammapy_datasets.MapDataset):
        pass

    theirs = reduce_nothing().to_gammapy()
    with pytest.raises(TypeError, match="derived from MapDataset"):
        from_gammapy(Mine(counts=theirs.counts))
    with pytest.raises(TypeError, match="corresponds to MapDataset"):
        SpectrumDataset.from_gammapy(theirs)


def test_models_of_sources_stay_those_of_gammapy():
    theirs = reduce_nothing().to_gammapy()
    source = gammapy_models.SkyModel(gammapy_models.PowerLawSpectralModel(), name="crab")
    background = gammapy_models.FoVBackgroundModel("empty")
    theirs.models = [source, background]
    ours = from_gammapy(theirs)
    assert list(ours.models) == [source, background]
    back = ours.to_gammapy()
    assert list(back.models) == [source, background]
    assert differences(theirs.models, back.models) == []


@pytest.mark.parametrize("is_source", [True, False])
def test_lists_keep_each_dataset_its_models_and_their_covariance(is_source):
    """Models that belong to all datasets, but of which each dataset has one; and background models."""
    datasets = gammapy_datasets.Datasets([reduce_nothing().copy(name=name).to_gammapy() for name in "abc"])
    for dataset in datasets[:2]:
        name = dataset.name
        if is_source:
            model = gammapy_models.SkyModel(gammapy_models.PowerLawSpectralModel(), name=name)
        else:
            model = gammapy_models.FoVBackgroundModel(name)
        dataset.models = model
    own = [dataset.models for dataset in datasets]
    root = np.random.default_rng(2).normal(size=(6, 6))
    datasets.models = gammapy_models.Models([*own[0], *own[1]], covariance_data=root @ root.T)
    for dataset, models in zip(datasets, own, strict=True):
        dataset.models = models
    covariance = datasets.models.covariance.data.copy()
    assert covariance[0, 4] != 0
    here = from_gammapy(datasets)
    back = here.to_gammapy()
    for found in (here, back):
        assert [each.models if each.models is None else each.models.names for each in found] == (
            [["a"], ["b"], None] if is_source else [["a-bkg"], ["b-bkg"], None]
        )
    assert_allclose(back.models.covariance.data, covariance, rtol=1e-15)


def test_a_piecewise_norm_goes_with_its_dataset(reduced):
    ours = reduced("lightpool", "MapDataset").copy(name="piecewise")
    spectral = PiecewiseNormSpectralModel([0.5, 2.0, 10.0] * u.TeV, norms=[0.8, 1.1, 1.4])
    ours.models = FoVBackgroundModel("piecewise", spectral)
    assert_same_figures(ours, ours.to_gammapy(), rtol=1e-11)
