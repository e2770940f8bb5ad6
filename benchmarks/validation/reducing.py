"""The same reduction with either package, from the settings of a target of a batch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u

from lightpool.arrays import use_device, use_precision
from lightpool.config.build import build_exclusion, build_position, region_text
from lightpool.config.quantities import is_quantity
from lightpool.config.targets import EnergyBins, HealpixTarget, SpectrumTarget, Target

PACKAGES = ("lightpool", "gammapy")
ONLY_HERE = {"node_min_counts": None, "min_region_number": 1}
"""Options that Gammapy's makers do not have, with the value that means the same as without them."""


class NotInGammapyError(Exception):
    """The settings ask for something that Gammapy cannot do, so there is nothing to compare."""


@cache
def names_of(package: str) -> SimpleNamespace:
    """Return all public names of the sub-packages that a reduction needs."""
    names: dict[str, Any] = {}
    for module in ("data", "datasets", "irf", "makers", "maps"):
        names |= vars(import_module(f"{package}.{module}"))
    if package == "gammapy":
        names["PowerLawNormSpectralModel"] = import_module("gammapy.modeling.models").PowerLawNormSpectralModel
        names["PiecewiseNormSpectralModel"] = import_module("gammapy.modeling.models").PiecewiseNormSpectralModel
    return SimpleNamespace(**names)


def observations_of_store(
    lib: Any, folder: Path, runs: tuple[int, ...], required: Any, indices: tuple[str | None, ...] = ()
) -> list[Any]:
    """Open runs of a data store, whose index files may have names of their own."""
    return list(lib.DataStore.from_dir(folder, *indices).get_observations(list(runs), required_irf=required))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Runs of one field that are reduced in one way.

    Attributes
    ----------
    kind : str
        Kind of data and of reduction, by which results are summarised.
    field : str
        Name of the field, or of the stack of these runs.
    folder : Path
        Data store.
    runs : tuple of int
    target : Target
        A target of a batch: bins, exclusions and makers.
    has_stack : bool
        Whether the stack of the runs is compared too.
    required_irf : str or list of str
        Responses that each run must have.
    opened : callable
        Opens the runs with the names of one package, by default those of the store.
    prepared : callable
        Changes a run before it is reduced, by default not at all.
    options : dict
        Further arguments with which empty datasets are created.
    """

    kind: str
    field: str
    folder: Path
    runs: tuple[int, ...]
    target: Target
    has_stack: bool = True
    required_irf: Any = "full-enclosure"
    opened: Callable[[Any, Path, tuple[int, ...], Any], list[Any]] = observations_of_store
    prepared: Callable[[Any, Any], Any] = field(default=lambda lib, observation: observation)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_spectrum(self) -> bool:
        return isinstance(self.target, SpectrumTarget)


class Reduction:
    """A case, reduced with one of the packages on the processor, in double precision.

    Parameters
    ----------
    case : Case
    package : {"lightpool", "gammapy"}
    """

    def __init__(self, case: Case, package: str) -> None:
        self.case, self.package = case, package
        self.lib = names_of(package)
        with use_device("cpu"), use_precision("double"):
            self.empty = self._empty_dataset()
            self.maker = self._datasets_maker()

    def observation(self, run: int) -> Any:
        found = self.case.opened(self.lib, self.case.folder, (run,), self.case.required_irf)
        if not found:
            raise LookupError(f"run {run} has not the responses that are required: {self.case.required_irf}")
        return self.case.prepared(self.lib, found[0])

    def run(self, observation: Any) -> Any:
        """Return the dataset of one run, after all makers."""
        with use_device("cpu"), use_precision("double"):
            observations = self.lib.Observations([observation])
            return self.maker.run(self.empty, observations)[0]

    def stacked(self, datasets: list[Any]) -> Any:
        """Return the stack of datasets of runs."""
        with use_device("cpu"), use_precision("double"):
            if self.case.is_spectrum:
                return self.lib.Datasets(datasets).stack_reduce(name="stack")
            stack = self._empty_dataset(type(datasets[0]).__name__ == "MapDatasetOnOff")
            for dataset in datasets:
                stack.stack(dataset)
            return stack

    def _empty_dataset(self, is_on_off: bool = False) -> Any:
        target, lib = self.case.target, self.lib
        axes: dict[str, Any] = dict(self.case.options)
        if target.energy_true is not None:
            axes["energy_axis_true"] = self._energy_axis(target.energy_true, "energy_true")
        if target.migra is not None:
            bins = target.migra
            axes["migra_axis"] = lib.MapAxis.from_bounds(bins.min, bins.max, nbin=bins.nbin, name="migra",
                                                         node_type="edges")  # fmt: skip
        if isinstance(target, SpectrumTarget):
            geom = lib.RegionGeom.create(region_text(target.region), axes=[self._energy_axis(target.energy)])
            return lib.SpectrumDataset.create(geom, name="run", **axes)
        if target.rad is not None:
            stop = float(u.Quantity(target.rad.max).to_value("deg"))
            axes["rad_axis"] = lib.MapAxis.from_bounds(0, stop, nbin=target.rad.nbin, unit="deg", name="rad",
                                                       node_type="edges")  # fmt: skip
        axes["binsz_irf"] = u.Quantity(target.binsz_irf)
        kind = lib.MapDatasetOnOff if is_on_off else lib.MapDataset
        return kind.create(self._geom(target), name="stack", **axes)

    def _geom(self, target: Any) -> Any:
        if isinstance(target, HealpixTarget):
            raise NotInGammapyError("targets of kind healpix are not compared: their responses differ on purpose")
        width = target.width if isinstance(target.width, tuple) else (target.width, target.width)
        return self.lib.WcsGeom.create(
            skydir=build_position(target.center),
            width=tuple(float(u.Quantity(each).to_value("deg")) for each in width),
            binsz=float(u.Quantity(target.binsz).to_value("deg")),
            proj=target.proj,
            frame="galactic" if target.center.frame == "galactic" else "icrs",
            axes=[self._energy_axis(target.energy)],
        )

    def _energy_axis(self, bins: EnergyBins, name: str = "energy") -> Any:
        if bins.edges is not None:
            return self.lib.MapAxis.from_energy_edges(u.Quantity([u.Quantity(edge) for edge in bins.edges]), name=name)
        return self.lib.MapAxis.from_energy_bounds(
            bins.min, bins.max, nbin=bins.nbin, per_decade=bins.per_decade, name=name
        )

    def _datasets_maker(self) -> Any:
        target = self.case.target
        mask = build_exclusion(target)
        if mask is not None and self.package == "gammapy":
            mask = import_module("lightpool.gammapy").to_gammapy(mask)
        makers = [self._maker(step, mask) for step in target.makers]
        if isinstance(target, SpectrumTarget):
            return self.lib.DatasetsMaker(makers, stack_datasets=False)
        width = getattr(target, "cutout_width", None)
        return self.lib.DatasetsMaker(
            makers,
            stack_datasets=False,
            cutout_mode=target.cutout_mode,
            cutout_width=None if width is None else u.Quantity(width),
        )

    def _maker(self, step: Any, mask: Any) -> Any:
        kind = getattr(self.lib, step.type, None)
        if kind is None:
            raise NotInGammapyError(f"{step.type} is not in Gammapy")
        given = {name: getattr(step, name) for name in type(step).model_fields if name not in ("type", "preset")}
        options = {name: u.Quantity(value) if is_quantity(value) else value for name, value in given.items()}
        for name in ONLY_HERE.keys() & options:
            if options.pop(name) != ONLY_HERE[name]:
                raise NotInGammapyError(f"{step.type} of Gammapy has no {name}")
        if step.type == "ReflectedRegionsBackgroundMaker":
            options = {"region_finder": self._finder(options)}
        if step.type == "FoVBackgroundMaker":
            options = self._with_norm(options)
        if step.type.endswith("BackgroundMaker") and step.type != "PhaseBackgroundMaker":
            options["exclusion_mask"] = mask
        if options.get("selection", ()) is None:
            del options["selection"]
        return kind(**options)

    def _finder(self, options: dict[str, Any]) -> Any:
        if options.pop("finder") == "wobble":
            return self.lib.WobbleRegionsFinder(n_off_regions=options["n_off_regions"], binsz=options["binsz"])
        del options["n_off_regions"]
        return self.lib.ReflectedRegionsFinder(**options)

    def _with_norm(self, options: dict[str, Any]) -> dict[str, Any]:
        tilt, reference, nodes = (options.pop(name) for name in ("tilt", "reference", "nodes"))
        if nodes is not None:
            energies = u.Quantity([u.Quantity(node) for node in nodes])
            norm = self.lib.PiecewiseNormSpectralModel(energy=energies)
        else:
            norm = self.lib.PowerLawNormSpectralModel(**({} if reference is None else {"reference": reference}))
            if tilt == "fit":
                norm.tilt.frozen = False
            elif tilt is not None:
                norm.tilt.value = float(tilt)
        return options | {"spectral_model": norm}
