"""The names that packages show, and what is said about names that only Gammapy has."""

import importlib
import pkgutil
import sys
from importlib.util import find_spec

import pytest

import lightpool
from lightpool.errors import ConfigError
from lightpool.names import NAMES, PACKAGES

HAS_GAMMAPY = find_spec("gammapy") is not None


def shown_packages():
    """Names of the packages with an ``__all__``; without Gammapy there is no `lightpool.gammapy`."""
    for module in pkgutil.walk_packages(lightpool.__path__, "lightpool.", onerror=lambda name: None):
        try:
            if module.ispkg and hasattr(importlib.import_module(module.name), "__all__"):
                yield module.name
        except ConfigError:
            assert module.name == "lightpool.gammapy"
            assert not HAS_GAMMAPY


SHOWN = ["lightpool", *shown_packages()]
AT_ANOTHER_PLACE = [
    ("estimators.ExcessMapEstimator", "makers.ExcessMapEstimator"),
    ("modeling.models.FoVBackgroundModel", "datasets.FoVBackgroundModel"),
    ("modeling.models.PowerLawNormSpectralModel", "datasets.PowerLawNormSpectralModel"),
    ("modeling.models.PiecewiseNormSpectralModel", "datasets.PiecewiseNormSpectralModel"),
    ("modeling.models.Models", "datasets.Models"),
    ("modeling.models.DatasetModels", "datasets.DatasetModels"),
    ("makers.utils.ThetaSquaredTable", "makers.ThetaSquaredTable"),
    ("makers.utils.make_theta_squared_table", "makers.make_theta_squared_table"),
    ("makers.utils.make_counts_rad_max", "makers.make_counts_rad_max"),
    ("makers.utils.make_counts_off_rad_max", "makers.make_counts_off_rad_max"),
    ("makers.background.RingBackgroundMaker", "makers.RingBackgroundMaker"),
    ("makers.background.AdaptiveRingBackgroundMaker", "makers.AdaptiveRingBackgroundMaker"),
    ("makers.background.FoVBackgroundMaker", "makers.FoVBackgroundMaker"),
    ("makers.background.ReflectedRegionsFinder", "makers.ReflectedRegionsFinder"),
    ("datasets.map.MapDataset", "datasets.MapDataset"),
    ("datasets.map.MapDatasetOnOff", "datasets.MapDatasetOnOff"),
    ("datasets.spectrum.SpectrumDatasetOnOff", "datasets.SpectrumDatasetOnOff"),
    ("maps.wcs.WcsGeom", "maps.WcsGeom"),
    ("maps.wcs.geom.WcsGeom", "maps.WcsGeom"),
    ("maps.wcs.ndmap.WcsNDMap", "maps.WcsNDMap"),
    ("maps.region.ndmap.RegionNDMap", "maps.RegionNDMap"),
    ("maps.region.geom.RegionGeom", "maps.RegionGeom"),
    ("maps.axes.UNIT_STRING_FORMAT", "maps.axes.axes.UNIT_STRING_FORMAT"),
    ("irf.background.BackgroundIRF", "irf.BackgroundIRF"),
    ("stats.CashCountsStatistic", "stats.counts_statistic.CashCountsStatistic"),
    ("stats.WStatCountsStatistic", "stats.counts_statistic.WStatCountsStatistic"),
]


def named(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"lightpool.{module}"), name)


@pytest.mark.parametrize("name", SHOWN)
def test_a_package_shows_its_public_names_alone(name):
    if name.startswith("lightpool.plot"):
        pytest.importorskip("matplotlib")
    package = importlib.import_module(name)
    assert dir(package) == sorted(package.__all__)
    for each in package.__all__:
        if name in ("lightpool.plot", "lightpool.arrays.cuda"):  # which list their modules
            importlib.import_module(f"{name}.{each}")
        assert hasattr(package, each)


def test_modules_of_a_package_stay_attributes():
    import lightpool.data
    import lightpool.data.gti

    assert lightpool.data.gti.GTI is lightpool.data.GTI
    assert "gti" not in dir(lightpool.data)


@pytest.mark.parametrize(("place", "other"), AT_ANOTHER_PLACE, ids=[place for place, _ in AT_ANOTHER_PLACE])
def test_what_gammapy_has_at_another_place_is_there_too(place, other):
    assert named(place) is named(other)


IMPORTS = [
    *(
        f"import lightpool.{name}"
        for name in PACKAGES
        if name not in ("modeling", "modeling.models", "estimators") and name != "utils"
    ),
    "from lightpool import catalog",
    "from lightpool.catalog import SourceCatalogGammaCat",
    "from lightpool.modeling import Fit",
    "from lightpool.modeling.models import SkyModel",
    "from lightpool.modeling.models.cube import SkyModel",
    "from lightpool.estimators import FluxPointsEstimator",
    "from lightpool.utils.regions import regions_to_compound_region",
    "from lightpool.visualization.utils import plot_contour_line",
    *(f"from lightpool.{package} import {name}" for package, names in NAMES.items() for name in names.split()),
    "from lightpool.datasets import Datasets, FluxPointsDataset",
]


@pytest.fixture
def without_gammapy(monkeypatch):
    """As if Gammapy were not installed."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "gammapy" or name.startswith("lightpool.gammapy") or is_of_gammapy(name):
            monkeypatch.delitem(sys.modules, name)
            package, _, module = name.rpartition(".")
            if package and hasattr(sys.modules.get(package), module):
                monkeypatch.delattr(sys.modules[package], module)
    monkeypatch.setitem(sys.modules, "gammapy", None)


def is_of_gammapy(name):
    spec = getattr(sys.modules[name], "__spec__", None)
    return name.startswith("lightpool.") and type(getattr(spec, "loader", None)).__name__ == "_GammapyLoader"


@pytest.mark.parametrize("line", IMPORTS)
@pytest.mark.usefixtures("without_gammapy")
def test_without_gammapy_the_import_of_what_only_gammapy_has_says_how_to_install_it(line):
    with pytest.raises(ImportError, match=r"only Gammapy has .*install it with: .*\[gammapy\]"):
        exec(line, {})


@pytest.mark.parametrize("name", ["Parameter", "Parameters"])
@pytest.mark.usefixtures("without_gammapy")
def test_without_gammapy_parameters_of_models_are_those_of_lightpool(name):
    assert named(f"modeling.{name}") is named(f"datasets.{name}")


@pytest.mark.parametrize("path", ["datasets.FluxPointsDataset", "modeling.Fit", "estimators.FluxPoints", "catalog"])
@pytest.mark.usefixtures("without_gammapy")
def test_without_gammapy_an_attribute_that_only_gammapy_has_is_explained_and_is_no_attribute(path):
    package, _, name = f"lightpool.{path}".rpartition(".")
    module = importlib.import_module(package)
    assert not hasattr(module, name)
    with pytest.raises(AttributeError, match=f"no attribute {name!r}: only Gammapy has .*install it with"):
        getattr(module, name)


def test_a_name_that_nobody_has_is_refused_as_python_does():
    with pytest.raises(ImportError, match="cannot import name 'Nonsense'"):
        exec("from lightpool.datasets import Nonsense", {})
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'lightpool\.nonsense'"):
        exec("import lightpool.nonsense", {})
    with pytest.raises(AttributeError, match="its names are"):
        lightpool.Any_  # noqa: B018
