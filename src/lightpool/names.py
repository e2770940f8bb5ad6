"""The public names of packages, and the names that only Gammapy has: Gammapy's own objects, if it is installed."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from lightpool.bridge import gammapy_bridge
from lightpool.typing import GammapyObject

__all__ = ["explain", "find_in_gammapy", "install", "only_in_gammapy", "show_public"]

PACKAGES = {
    "analysis": "the high-level analysis",
    "astro": "source populations and dark matter",
    "catalog": "catalogues of sources",
    "estimators": "flux points, light curves and flux maps",
    "modeling": "models and fits",
    "modeling.models": "models of sources",
    "scripts": "the command line of Gammapy",
    "utils": "helpers",
    "visualization": "further plots",
    "workflow": "the high-level analysis",
}
"""Packages of Gammapy that lightpool does not have, or has a few names of; and what is in them."""

NAMES = {
    "data": "ObservationsEventsSampler",
    "datasets": "FermipyDatasetsReader FluxPointsDataset MapDatasetEventSampler ObservationEventSampler",
    "datasets.io": "FermipyDatasetsReader",
    "datasets.utils": "create_global_dataset get_axes get_figure get_nearest_valid_exposure_position",
    "datasets.map": "EVALUATION_MODE MapEvaluator USE_NPRED_CACHE",
    "stats": "Chi2AsymmetricErrorFitStatistic Chi2FitStatistic GaussianPriorPenalty TimmerKonig_lightcurve_simulator "
    "compute_chisq compute_flux_doubling compute_fpp compute_fvar cstat discrete_correlation sigma_to_ts "
    "structure_function ts_to_sigma",
    "utils.coordinates": "cartesian D_SUN_TO_GALACTIC_CENTER galactic motion_since_birth polar velocity_glon_glat",
}
"""Names of Gammapy 2.1 in modules that lightpool has too: the public ones, and others that scripts import."""

NOT_OFFERED = {"__main__", "conftest", "tests", "version"}
"""Modules of Gammapy that are about Gammapy itself."""


def only_in_gammapy(module: str, name: str) -> bool:
    """Return whether Gammapy has a name where lightpool has none, as far as that is known without Gammapy.

    Parameters
    ----------
    module : str, such as ``lightpool.datasets``
    name : str, such as ``FluxPointsDataset``
    """
    package = module.partition(".")[2]
    if name.startswith("_"):
        return False
    return f"{package}.{name}".lstrip(".") in PACKAGES or package in PACKAGES or name in NAMES.get(package, "").split()


def explain(module: str, name: str) -> str:
    """Return the text of the error about a name that lightpool does not have.

    Parameters
    ----------
    module, name : as for `only_in_gammapy`
    """
    package = module.partition(".")[2]
    there = f"gammapy.{package}".rstrip(".")
    own = f"module {module!r} has no attribute {name!r}"
    if not only_in_gammapy(module, name):
        return own
    content = PACKAGES.get(f"{package}.{name}".lstrip(".")) or PACKAGES.get(package) or name
    try:
        gammapy_bridge()
        reason = f"the installed Gammapy has no {there}.{name}"
    except Exception as error:  # a broken installation fails in any way
        reason = str(error)
    return (
        f"{own}: only Gammapy has {content}; where Gammapy is installed, {module} gives Gammapy's own. Here, {reason}"
    )


def find_in_gammapy(module: str, name: str, own: Mapping[str, object] | None = None) -> GammapyObject:
    """Return Gammapy's own object of a name that only Gammapy has.

    Parameters
    ----------
    module, name : as for `only_in_gammapy`
    own : dict, optional
        What to return for some names if Gammapy is not installed.

    Raises
    ------
    AttributeError
        If lightpool does not know the name as one of Gammapy, if Gammapy is not installed, or if that version does
        not have it.
    """
    if only_in_gammapy(module, name):
        try:
            if f"{module}.{name}".partition(".")[2] in PACKAGES:
                return import_module(f"{module}.{name}")
            return gammapy_bridge().original(module, name)
        except (ImportError, AttributeError, ValueError) as error:  # ConfigError is a ValueError
            if own is not None and name in own:
                return own[name]
            raise AttributeError(explain(module, name), name=name, obj=sys.modules[module]) from error
    raise AttributeError(explain(module, name), name=name, obj=sys.modules[module])


def show_public(module: str, own: Mapping[str, object] | None = None) -> None:
    """Let a package show only the names in its ``__all__``, and find those that only Gammapy has.

    Its modules stay importable, and are reached as attributes once they are imported.

    Parameters
    ----------
    module : str, ``__name__`` of the package; called at the end of its ``__init__``
        Or of a module in which Gammapy has more names.
    own : dict, optional
        What the package gives for some names if Gammapy, whose object comes first for them, is not installed.
    """
    package = sys.modules[module]

    def get(name: str) -> GammapyObject:
        return find_in_gammapy(module, name, own)

    # set like this, and not defined in each package, so that a type checker still sees names that are not there
    package.__dict__.update(__dir__=lambda: sorted(package.__all__), __getattr__=get)
    # Python looks for the names of a failed import in the modules of a package alone, where `_GammapyFinder` explains.
    package.__dict__.setdefault("__path__", [])


class _GammapyFinder(MetaPathFinder):
    """Last of the finders of modules: it finds modules that Gammapy has and lightpool does not.

    ``from package import name`` hides what ``__getattr__`` raises, and looks for a module of that name instead: that
    is explained here too.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        module, _, name = fullname.rpartition(".")
        if module.partition(".")[0] != "lightpool":
            return None
        if _gammapy_has_module(fullname):
            # A package, so that its modules are looked for here too, and not in the folder of Gammapy: found there,
            # they would be executed a second time, under another name.
            return ModuleSpec(fullname, _GammapyLoader(), is_package=True)
        if only_in_gammapy(module, name):
            raise ImportError(explain(module, name), name=fullname)
        return None


class _GammapyLoader(Loader):
    """Creates a module with the names of a module of Gammapy."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        try:
            original = gammapy_bridge().original_module(name)
        except ValueError as error:  # ConfigError: a version that is not supported
            raise ImportError(f"{name} gives the names of Gammapy; {error}", name=name) from error
        own = _nearest_own_package(name)
        module.__doc__ = original.__doc__
        if hasattr(original, "__all__"):
            module.__dict__["__all__"] = list(original.__all__)

        def get(name: str) -> GammapyObject:
            found = getattr(original, name)
            return getattr(own, name) if name in own.__all__ and name[:1] != "_" else found

        module.__dict__.update(__dir__=lambda: dir(original), __getattr__=get)


def _nearest_own_package(name: str) -> ModuleType:
    """Return the package of lightpool that a module of Gammapy would be in: its classes come before Gammapy's."""
    while True:
        name = name.rpartition(".")[0]
        package = sys.modules[name]
        if package.__spec__ is None or not isinstance(package.__spec__.loader, _GammapyLoader):
            return package


def _gammapy_has_module(fullname: str) -> bool:
    """Return whether an installed Gammapy, which is not imported, has the module of this place in lightpool."""
    parts = fullname.split(".")[1:]
    spec = find_spec("gammapy")
    if spec is None or not NOT_OFFERED.isdisjoint(parts):
        return False
    bases = [Path(folder, *parts) for folder in spec.submodule_search_locations or ()]
    return any((base / "__init__.py").is_file() or base.with_name(f"{base.name}.py").is_file() for base in bases)


def install() -> None:
    """Find modules of Gammapy, and explain failed imports, from now on."""
    if not any(isinstance(finder, _GammapyFinder) for finder in sys.meta_path):
        sys.meta_path.append(_GammapyFinder())
