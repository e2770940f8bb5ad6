"""The public names of packages, and explanations for names that only Gammapy has."""

import sys
from typing import NoReturn

__all__ = ["explain", "install", "only_in_gammapy", "show_public"]

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
    "data": "ObservationsEventsSampler PointingInfo get_irfs_features",
    "datasets": "DATASET_REGISTRY FermipyDatasetsReader FluxPointsDataset MapDatasetEventSampler OGIPDatasetReader "
    "OGIPDatasetWriter ObservationEventSampler apply_edisp create_empty_map_dataset_from_irfs "
    "create_map_dataset_from_observation set_and_restore_mask_fit split_dataset",
    "irf": "IRF_REGISTRY",
    "makers": "MAKER_REGISTRY",
    "maps": "HpxGeom HpxMap HpxNDMap WcsMap containment_radius containment_region",
    "stats": "Chi2AsymmetricErrorFitStatistic Chi2FitStatistic GaussianPriorPenalty TimmerKonig_lightcurve_simulator "
    "compute_chisq compute_flux_doubling compute_fpp compute_fvar cstat discrete_correlation sigma_to_ts "
    "structure_function ts_to_sigma",
}
"""Public names of Gammapy 2.1 in packages that lightpool has too."""


def only_in_gammapy(module: str, name: str) -> bool:
    """Return whether Gammapy has a name where lightpool has none.

    Parameters
    ----------
    module : str, such as ``lightpool.datasets``
    name : str, such as ``FluxPointsDataset``
    """
    package = module.partition(".")[2]
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
    inner = f"{package}.{name}".lstrip(".")
    line = f"import {there}.{name}" if inner in PACKAGES else f"from {there} import {name}"
    content = PACKAGES.get(inner) or PACKAGES.get(package) or name
    return (
        f"{own}: lightpool reduces data; use Gammapy for {content}: `{line}`. A dataset passes from one to the other "
        "by its file: dataset.write('stack.fits.gz') here, gammapy.datasets.MapDataset.read('stack.fits.gz') there"
    )


def show_public(module: str) -> None:
    """Let a package show only the names in its ``__all__``, and explain those that only Gammapy has.

    Its modules stay importable, and are reached as attributes once they are imported.

    Parameters
    ----------
    module : str, ``__name__`` of the package; called at the end of its ``__init__``
    """
    package = sys.modules[module]

    def get(name: str) -> NoReturn:
        raise AttributeError(explain(module, name), name=name, obj=package)

    # set like this, and not defined in each package, so that a type checker still sees names that are not there
    package.__dict__.update(__dir__=lambda: sorted(package.__all__), __getattr__=get)


class _Explainer:
    """Last of the finders of modules: it explains names that Gammapy has and lightpool does not.

    ``from package import name`` hides what ``__getattr__`` raises, and looks for a module of that name instead.
    """

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> None:
        module, _, name = fullname.rpartition(".")
        if module.partition(".")[0] == "lightpool" and only_in_gammapy(module, name):
            raise ImportError(explain(module, name), name=fullname)


def install() -> None:
    """Explain failed imports from now on."""
    if not any(isinstance(finder, _Explainer) for finder in sys.meta_path):
        sys.meta_path.append(_Explainer())
