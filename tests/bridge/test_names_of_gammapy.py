"""Names that only Gammapy has, where Gammapy is installed: they are Gammapy's own objects."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

from lightpool.names import NAMES, NOT_OFFERED, PACKAGES

LINES = [
    *(f"import lightpool.{name}" for name in PACKAGES),
    *(f"from lightpool.{package} import {name}" for package, names in NAMES.items() for name in names.split()),
    "from lightpool import catalog",
    "from lightpool.catalog import SourceCatalogGammaCat",
    "from lightpool.datasets import Datasets, FluxPointsDataset",
    "from lightpool.estimators import FluxPointsEstimator",
    "from lightpool.irf.psf import PSFMap, RecoPSFMap",
    "from lightpool.modeling import Fit",
    "from lightpool.modeling.models import SkyModel",
    "from lightpool.modeling.models.cube import SkyModel",
    "from lightpool.utils.regions import regions_to_compound_region",
    "from lightpool.visualization.utils import plot_contour_line",
]


def named(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"lightpool.{module}"), name)


@pytest.mark.parametrize("line", LINES)
def test_what_only_gammapy_has_can_be_imported(line):
    try:
        exec(line.replace("lightpool", "gammapy"), {})
    except ImportError:  # another version has it
        with pytest.raises(ImportError):
            exec(line, {})
    else:
        exec(line, {})


@pytest.mark.parametrize(
    "path", ["datasets.FluxPointsDataset", "modeling.Parameter", "datasets.map.MapEvaluator", "modeling.Fit"]
)
def test_a_name_that_only_gammapy_has_is_gammapys_own_object(path):
    package, _, name = path.rpartition(".")
    if not hasattr(importlib.import_module(f"gammapy.{package}"), name):
        pytest.skip("another version of Gammapy has it")
    assert named(path) is getattr(importlib.import_module(f"gammapy.{package}"), name)


def test_in_modules_of_gammapy_the_classes_of_lightpool_come_first():
    assert named("irf.psf.PSFMap") is named("irf.PSFMap")
    assert named("estimators.map.excess.ExcessMapEstimator") is named("makers.ExcessMapEstimator")
    assert named("modeling.models.cube.FoVBackgroundModel") is named("datasets.FoVBackgroundModel")


def test_no_module_of_gammapy_is_executed_twice():
    import gammapy.visualization.utils
    import lightpool.visualization.utils

    assert lightpool.visualization.utils.plot_contour_line is gammapy.visualization.utils.plot_contour_line
    assert "lightpool" not in lightpool.visualization.utils.plot_contour_line.__module__


def test_every_public_name_of_gammapy_2_1_is_known():
    """The lists in `lightpool.names`, against the installed version."""
    gammapy = pytest.importorskip("gammapy", minversion="2.1")
    unknown = [
        f"{module.name}.{name}"
        for module in pkgutil.walk_packages(gammapy.__path__, "gammapy.", onerror=lambda name: None)
        if NOT_OFFERED.isdisjoint(module.name.split(".")) and "extern" not in module.name
        for name in public_names(module.name)
        if not hasattr(importlib.import_module(module.name.replace("gammapy", "lightpool", 1)), name)
    ]
    assert unknown == []


def test_no_name_is_listed_that_lightpool_has_too():
    both = [
        f"{package}.{name}"
        for package, names in NAMES.items()
        for name in names.split()
        if name in vars(importlib.import_module(f"lightpool.{package}"))
    ]
    assert both == []


def test_gammapy_is_not_imported_before_it_is_needed():
    code = (
        "import lightpool.datasets, lightpool.makers, lightpool.estimators, sys\n"
        "assert not hasattr(lightpool.datasets, 'Nonsense')\n"
        "try: import lightpool.nonsense\n"
        "except ImportError: pass\n"
        "sys.exit('gammapy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def public_names(module):
    try:
        return getattr(importlib.import_module(module), "__all__", [])
    except ImportError:  # it needs another package
        return []
