"""Datasets, maps and models of lightpool as arguments of Gammapy's functions: Gammapy gets its own objects instead.

Gammapy has no hook for foreign objects: its fits and estimators ask whether an argument is a dataset of its own class.
So the functions of `ENTRY_POINTS` are replaced by ones that convert their arguments, and call Gammapy's function with
them. Arguments that are Gammapy's own are passed on as they are. See docs/decisions/0011-gammapy-in-memory.md.

Nothing here imports Gammapy: the functions are replaced when somebody imports it, or at once if that was before.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType

from lightpool.bridge import ConvertibleToGammapy, gammapy_bridge
from lightpool.typing import GammapyObject

__all__ = ["ENTRY_POINTS", "install"]

_RUN = "run"
ENTRY_POINTS: Mapping[str, Mapping[str, str]] = {
    "gammapy.datasets.core": {"Datasets": "__init__ __add__ __setitem__ insert", "Dataset": "__add__"},
    "gammapy.datasets.simulate": {"MapDatasetEventSampler": _RUN, "ObservationEventSampler": _RUN},
    "gammapy.estimators.energydependentmorphology": {"EnergyDependentMorphologyEstimator": _RUN},
    "gammapy.estimators.flux": {"FluxEstimator": _RUN},
    "gammapy.estimators.map.asmooth": {"ASmoothMapEstimator": _RUN},
    "gammapy.estimators.map.excess": {"ExcessMapEstimator": f"{_RUN} estimate_excess_map"},
    "gammapy.estimators.map.ts": {"TSMapEstimator": _RUN},
    "gammapy.estimators.parameter": {"ParameterEstimator": _RUN, "ParameterSensitivityEstimator": _RUN},
    "gammapy.estimators.points.lightcurve": {"LightCurveEstimator": _RUN},
    "gammapy.estimators.points.profile": {"FluxProfileEstimator": _RUN},
    "gammapy.estimators.points.sed": {"FluxPointsEstimator": _RUN, "FluxCollectionEstimator": _RUN},
    "gammapy.estimators.points.sensitivity": {"SensitivityEstimator": _RUN},
    "gammapy.estimators.profile": {"ImageProfileEstimator": _RUN},
    "gammapy.estimators.utils": {
        "": "combine_significance_maps estimate_exposure_reco_energy find_peaks find_peaks_in_flux_map "
        "get_combined_flux_maps get_combined_significance_maps resample_energy_edges"
    },
    "gammapy.makers.utils": {"": "make_effective_livetime_map make_observation_time_map"},
    "gammapy.modeling.fit": {
        "Fit": f"{_RUN} confidence covariance optimize stat_contour stat_profile stat_surface",
    },
    "gammapy.modeling.models.core": {"DatasetModels": "__init__ __add__", "Models": "__setitem__ insert"},
    "gammapy.modeling.models.cube": {
        "SkyModel": "__init__ evaluate_geom integrate_geom",
        "TemplateNPredModel": "__init__",
    },
    "gammapy.modeling.models.spatial": {
        "SpatialModel": "evaluate_geom integrate_geom",
        "TemplateSpatialModel": "__init__",
    },
    "gammapy.modeling.models.spectral": {"SpectralModel": "__add__ __mul__ __radd__ __rsub__ __sub__"},
    "gammapy.modeling.sampler": {"Sampler": _RUN},
    "gammapy.modeling.selection": {"TestStatisticNested": _RUN},
    "gammapy.modeling.selection.bayesian": {"BayesianModelSelection": _RUN},
    "gammapy.modeling.selection.nested": {"NestedModelSelection": _RUN, "TestStatisticNested": _RUN},
    "gammapy.visualization.datasets": {"": "plot_npred_signal plot_spectrum_datasets_off_regions"},
    "gammapy.visualization.utils": {"": "plot_distribution plot_map_rgb plot_theta_squared_table"},
}
"""Methods and functions that take datasets, maps or models, by module and class; versions of Gammapy differ in some."""

_MARK = "_accepts_lightpool"


def _holds_ours(values: Iterable[object]) -> bool:
    return any(
        isinstance(value, ConvertibleToGammapy) or (type(value) in (list, tuple) and _holds_ours(value))  # type: ignore[arg-type]  # one of them
        for value in values
    )


def _accepting(function: Callable[..., GammapyObject]) -> Callable[..., GammapyObject]:
    @wraps(function)
    def accepting(*args: GammapyObject, **kwargs: GammapyObject) -> GammapyObject:
        # the first one is the object itself, which may be a subclass of a user that is a list
        if not _holds_ours(args) and not _holds_ours(kwargs.values()):
            return function(*args, **kwargs)
        counterpart = gammapy_bridge().counterpart
        return function(*map(counterpart, args), **{name: counterpart(value) for name, value in kwargs.items()})

    setattr(accepting, _MARK, True)
    return accepting


def _replace_functions(module: ModuleType) -> None:
    """Replace the entry points of a module of Gammapy, each once."""
    for kind, names in ENTRY_POINTS[module.__name__].items():
        owner = getattr(module, kind, None) if kind else module
        for name in names.split():
            function = vars(owner).get(name) if owner is not None else None
            if isinstance(function, FunctionType) and not hasattr(function, _MARK):
                accepting = _accepting(function)
                # A function is also in the packages that have imported it already; a method is in its class alone.
                for holder in [owner] if kind else _modules_with(name, function):
                    setattr(holder, name, accepting)


def _modules_with(name: str, function: FunctionType) -> list[ModuleType]:
    modules = [module for path, module in list(sys.modules.items()) if path.partition(".")[0] == "gammapy"]
    return [module for module in modules if vars(module).get(name) is function]


class _AcceptanceFinder(MetaPathFinder):
    """First of the finders of modules: after another one has found a module of `ENTRY_POINTS`, it has it changed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in ENTRY_POINTS:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._change_when_loaded(spec.loader)
        return spec

    @staticmethod
    def _change_when_loaded(loader: GammapyObject) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # the loader is as it was, in case that the module is loaded again
            execute(module)
            _replace_functions(module)

        # on this loader alone, so that the module keeps one of the usual class
        loader.exec_module = exec_module


def install() -> None:
    """Let Gammapy's functions accept objects of lightpool from now on; Gammapy is not imported."""
    for name in ENTRY_POINTS:
        if name in sys.modules:
            _replace_functions(sys.modules[name])
    if not any(isinstance(finder, _AcceptanceFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AcceptanceFinder())
