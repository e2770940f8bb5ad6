"""Build objects from the settings: empty datasets, exclusion masks, makers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import astropy.units as u
from astropy.coordinates import SkyCoord

from lightpool.config.exclusions import (
    ExcludedCatalog,
    ExcludedMask,
    ExcludedRegions,
    ExcludedStars,
    is_mask_file,
    read_mask,
    sky_exclusion,
)
from lightpool.config.makers import (
    AdaptiveRingBackgroundSettings,
    FoVBackgroundSettings,
    MapDatasetSettings,
    OffRunsBackgroundSettings,
    OwnMakerSettings,
    PhaseBackgroundSettings,
    ReflectedRegionsSettings,
    RingBackgroundSettings,
    SafeMaskSettings,
    SpectrumDatasetSettings,
)
from lightpool.config.own_makers import build_own_maker, own_class, require_place, takes_exclusion_mask
from lightpool.config.positions import Circle, Point, Position
from lightpool.config.quantities import is_quantity
from lightpool.config.regions import checked_regions
from lightpool.config.section import Section
from lightpool.config.settings import Observations
from lightpool.config.targets import EnergyBins, HealpixTarget, MapTarget, SpectrumTarget, Target
from lightpool.data import DataStore, Observation
from lightpool.datasets import MapDataset, PiecewiseNormSpectralModel, PowerLawNormSpectralModel, SpectrumDataset
from lightpool.datasets.models.spectral_norms import NormSpectralModel
from lightpool.errors import ConfigError
from lightpool.fits import read_text
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    Maker,
    MapDatasetMaker,
    OffRunsBackgroundMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    RegionsFinder,
    RingBackgroundMaker,
    SafeMaskMaker,
    SkyExclusion,
    SpectrumDatasetMaker,
    ThetaSquaredTable,
    WobbleRegionsFinder,
)
from lightpool.maps import HpxGeom, Map, MapAxis, RegionGeom, WcsGeom, WcsNDMap
from lightpool.maps.regions.sky_regions import on_sky, parse_regions

__all__ = [
    "build_dataset",
    "build_exclusion",
    "build_makers",
    "build_off_runs",
    "build_position",
    "build_reduction",
    "build_store",
    "build_theta_squared",
    "energy_axis",
    "region_text",
]

_EXCLUSION_WIDTH, _EXCLUSION_BINSZ = 10, 0.01
"""Size and pixel size, in deg, of the exclusion mask around the region of a spectrum."""

_PLAIN_MAKERS: dict[type[Section], type[Maker]] = {
    MapDatasetSettings: MapDatasetMaker,
    SpectrumDatasetSettings: SpectrumDatasetMaker,
    SafeMaskSettings: SafeMaskMaker,
    FoVBackgroundSettings: FoVBackgroundMaker,
    RingBackgroundSettings: RingBackgroundMaker,
    AdaptiveRingBackgroundSettings: AdaptiveRingBackgroundMaker,
    PhaseBackgroundSettings: PhaseBackgroundMaker,
    OffRunsBackgroundSettings: OffRunsBackgroundMaker,
}
_EXCLUDING = (
    FoVBackgroundMaker,
    RingBackgroundMaker,
    AdaptiveRingBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    OffRunsBackgroundMaker,
)


def build_store(observations: Observations) -> DataStore:
    """Open the data store of the observations; its index files alone are read.

    Raises
    ------
    MissingDataError, FormatError, RemoteFileError
        If it cannot be opened.
    """
    return DataStore.from_dir(observations.datastore, observations.hdu_index, observations.obs_index)


def build_dataset(target: Target, name: str | None = None) -> MapDataset:
    """Create the empty dataset of a target, on the default device and in the default precision.

    Parameters
    ----------
    target : Target
    name : str, optional
        Name of the dataset; that of the target by default.
    """
    axes: dict[str, Any] = {}
    if target.energy_true is not None:
        axes["energy_axis_true"] = energy_axis(target.energy_true, "energy_true")
    if target.migra is not None:
        axes["migra_axis"] = MapAxis.from_bounds(
            target.migra.min, target.migra.max, nbin=target.migra.nbin, node_type="edges", name="migra"
        )
    name = target.name if name is None else name
    if isinstance(target, SpectrumTarget):
        return SpectrumDataset.create(_region_geom(target), name=name, **axes)
    if target.rad is not None:
        stop = float(u.Quantity(target.rad.max).to_value("deg"))
        axes["rad_axis"] = MapAxis.from_bounds(0, stop, nbin=target.rad.nbin, unit="deg", node_type="edges", name="rad")
    geom = _healpix_geom(target) if isinstance(target, HealpixTarget) else _map_geom(target)
    return MapDataset.create(cast(WcsGeom, geom), name=name, binsz_irf=u.Quantity(target.binsz_irf), **axes)


def build_makers(target: Target) -> list[Maker]:
    """Create the makers of a target in their order, with its exclusion mask.

    Raises
    ------
    ConfigError
        If one cannot be created; names the target.
    """
    kinds = [_kind_of(target, number) for number in range(len(target.makers))]
    excluding = [
        takes_exclusion_mask(kind) if isinstance(step, OwnMakerSettings) else issubclass(kind, _EXCLUDING)
        for step, kind in zip(target.makers, kinds, strict=True)
    ]
    mask = build_exclusion(target) if any(excluding) else None
    makers: list[Maker] = []
    for number, (step, kind) in enumerate(zip(target.makers, kinds, strict=True)):
        if isinstance(step, OffRunsBackgroundSettings):
            makers.append(_build_off_runs(target, step, makers, mask))
        elif isinstance(step, OwnMakerSettings):
            with _named(target, f"makers.{number} ({step.type})"):
                makers.append(build_own_maker(step, kind, mask))
        else:
            makers.append(_build_maker(step, mask))
    return makers


def _kind_of(target: Target, number: int) -> type[Maker]:
    step = target.makers[number]
    if not isinstance(step, OwnMakerSettings):
        return _PLAIN_MAKERS.get(type(step), ReflectedRegionsBackgroundMaker)
    with _named(target, f"makers.{number} ({step.type})"):
        kind = own_class(step)
        require_place(kind, number, "spectrum" if isinstance(target, SpectrumTarget) else "map")
    return kind


def build_off_runs(target: Target) -> list[Observation]:
    """Return the OFF runs of a target, whose files are not opened; none without an OffRunsBackgroundMaker.

    Raises
    ------
    ConfigError
        If their data store cannot be opened, or does not contain them; names the target.
    """
    found: list[Observation] = []
    for step in target.makers:
        if isinstance(step, OffRunsBackgroundSettings):
            with _named(target, step.type):
                found += _off_runs(step)
    return found


def _build_off_runs(
    target: Target, step: OffRunsBackgroundSettings, before: list[Maker], mask: Map | None
) -> OffRunsBackgroundMaker:
    assert mask is None or isinstance(mask, WcsNDMap)  # as the pixels of the target
    longest = step.max_time_difference
    with _named(target, step.type):
        if not isinstance(before[0], MapDatasetMaker):
            raise ValueError(f"it bins the OFF events with a MapDatasetMaker, and the first maker is {before[0]!r}")
        return OffRunsBackgroundMaker(
            build_off_runs(target),
            max_zenith_difference=u.Quantity(step.max_zenith_difference),
            max_time_difference=None if longest is None else u.Quantity(longest),
            acceptance=step.acceptance,
            exclusion_mask=mask,
            map_maker=before[0],
        )


def _off_runs(step: OffRunsBackgroundSettings) -> list[Observation]:
    store = DataStore.from_dir(step.datastore)
    wanted = [int(obs_id) for obs_id in (store.obs_ids if step.obs_ids is None else dict.fromkeys(step.obs_ids))]
    if step.select is not None:
        if store.obs_table is None:
            raise ValueError(f"select needs an observation index, which {step.datastore} lacks")
        kept = {int(obs_id) for obs_id in store.obs_table.select_expression(step.select)["OBS_ID"]}
        wanted = [obs_id for obs_id in wanted if obs_id in kept]
    required = ["bkg"] if step.acceptance == "background" else []
    found = list(store.get_observations(wanted, required_irf=required))
    if not found:
        raise ValueError(f"no OFF run is left of those in {step.datastore}; check obs_ids and select")
    return found


def build_reduction(target: Target) -> tuple[MapDataset, DatasetsMaker]:
    """Return the outline of the empty dataset of a target, and a maker that applies all of its makers to cutouts."""
    build_theta_squared(target)  # which checks it before anything is reduced
    # An outline needs no memory for the maps: DatasetsMaker makes those of each cutout.
    outline = build_dataset(target).outline()
    makers = build_makers(target)
    if not isinstance(target, SpectrumTarget):
        width = None if target.cutout_width is None else u.Quantity(target.cutout_width)
        return outline, DatasetsMaker(makers, cutout_width=width, cutout_mode=target.cutout_mode)
    return outline, DatasetsMaker(makers)


def _build_maker(step: Section, mask: Map | None) -> Maker:
    options: dict[str, Any]
    if isinstance(step, ReflectedRegionsSettings):
        kind: type[Maker] = ReflectedRegionsBackgroundMaker
        options = {"region_finder": _region_finder(step), "min_region_number": step.min_region_number}
    elif isinstance(step, FoVBackgroundSettings):
        kind = FoVBackgroundMaker
        options = {key: getattr(step, key) for key in ("method", "min_counts", "min_npred_background")}
        options |= {"spectral_model": _norm_of(step), "node_min_counts": step.node_min_counts}
    else:
        kind = _PLAIN_MAKERS[type(step)]
        options = {
            key: _argument(getattr(step, key)) for key in type(step).model_fields if key not in ("type", "preset")
        }
    if issubclass(kind, _EXCLUDING):
        options["exclusion_mask"] = mask
    return kind(**options)


def _norm_of(step: FoVBackgroundSettings) -> NormSpectralModel:
    if step.nodes is not None:
        return PiecewiseNormSpectralModel(energy=u.Quantity([u.Quantity(node) for node in step.nodes]))
    norm = PowerLawNormSpectralModel(reference=None if step.reference is None else u.Quantity(step.reference))
    if step.tilt == "fit":
        norm.tilt.frozen = False
    elif step.tilt is not None:
        norm.tilt.value = float(step.tilt)
    return norm


def _argument(value: object) -> object:
    """Return the quantity of a text with a unit; any other value unchanged."""
    return u.Quantity(value) if is_quantity(value) else value


def _region_finder(step: ReflectedRegionsSettings) -> RegionsFinder:
    if step.finder == "wobble":
        return WobbleRegionsFinder(n_off_regions=step.n_off_regions, binsz=u.Quantity(step.binsz))
    return ReflectedRegionsFinder(
        angle_increment=u.Quantity(step.angle_increment),
        min_distance=u.Quantity(step.min_distance),
        min_distance_input=u.Quantity(step.min_distance_input),
        max_region_number=step.max_region_number,
        binsz=u.Quantity(step.binsz),
    )


def build_theta_squared(target: Target) -> ThetaSquaredTable | None:
    """Create what counts events over the squared angle for a target, without observations; None if it does not ask.

    Raises
    ------
    ConfigError
        If its energies are not ascending, or its OFF position is too close; names the target.
    """
    wanted = target.theta_squared
    if wanted is None:
        return None
    if wanted.position is not None:
        position = build_position(wanted.position)
    elif isinstance(target, SpectrumTarget):
        position = _region_geom(target).center_skydir
    else:
        position = build_position(target.source or target.center)
    edges = energy_axis(target.energy).edges
    low, high = (None if each is None else u.Quantity(each) for each in (wanted.energy_min, wanted.energy_max))
    energies = u.Quantity([edges[0] if low is None else low, edges[-1] if high is None else high])
    squared = float(u.Quantity(wanted.theta_max).to_value("deg")) ** 2
    axis = MapAxis.from_bounds(0, squared, nbin=wanted.nbin, unit="deg2", name="theta_squared", node_type="edges")
    off = None if wanted.position_off is None else build_position(wanted.position_off)
    with _named(target, "theta_squared"):
        if not energies[0] < energies[1]:
            raise ValueError(f"energy_min must be below energy_max, got {energies[0]:g} and {energies[1]:g}")
        return ThetaSquaredTable([], axis, position, off, energies, wanted.off_regions_number).checked()


def build_position(position: Position) -> SkyCoord:
    """Return a sky position, in ICRS unless its frame is galactic."""
    return position.skycoord


def energy_axis(bins: EnergyBins, name: str = "energy") -> MapAxis:
    """Return the axis of bins of energy.

    Parameters
    ----------
    bins : EnergyBins
    name : {"energy", "energy_true"}
    """
    if bins.edges is not None:
        return MapAxis.from_energy_edges(u.Quantity([u.Quantity(edge) for edge in bins.edges]), name=name)
    assert bins.nbin is not None  # the settings are validated
    assert bins.min is not None
    assert bins.max is not None
    return MapAxis.from_energy_bounds(bins.min, bins.max, nbin=bins.nbin, per_decade=bins.per_decade, name=name)


def _map_geom(target: MapTarget) -> WcsGeom:
    width = target.width if isinstance(target.width, tuple) else (target.width, target.width)
    return WcsGeom.create(
        skydir=build_position(target.center),
        width=tuple(float(u.Quantity(each).to_value("deg")) for each in width),
        binsz=float(u.Quantity(target.binsz).to_value("deg")),
        proj=target.proj,
        frame="galactic" if target.center.frame == "galactic" else "icrs",
        axes=[energy_axis(target.energy)],
    )


def _healpix_geom(target: HealpixTarget) -> HpxGeom:
    frame = target.frame or ("galactic" if target.center.frame == "galactic" else "icrs")
    geom = HpxGeom.create(
        nside=target.nside,
        binsz=None if target.binsz is None else float(u.Quantity(target.binsz).to_value("deg")),
        nest=target.nest,
        frame=frame,
        skydir=build_position(target.center),
        width=None if target.width is None else float(u.Quantity(target.width).to_value("deg")),
        region=target.region,
        axes=[energy_axis(target.energy)],
    )
    if not geom.npix.all():
        key = "width" if target.region is None else "region"
        raise ConfigError(
            f"target {target.name!r}: {key} {target.width or target.region} contains no pixel centre, and pixels are "
            f"{geom.pixel_scales[0]:.3g} wide; expected a wider map or a larger nside"
        )
    return geom


def _region_geom(target: SpectrumTarget) -> RegionGeom:
    axes = [energy_axis(target.energy)]
    with _named(target, "region"):
        return RegionGeom.create(region_text(target.region), axes=axes)


@contextmanager
def _named(target: Target, key: str) -> Iterator[None]:
    """Make errors name the target and the key that they come from."""
    try:
        yield
    except ConfigError:
        raise
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise ConfigError(f"target {target.name!r}: {key} cannot be used: {error}") from error


def region_text(region: Circle | Point | str) -> str:
    """Return the text of a region in DS9 format."""
    if isinstance(region, str):
        return region
    frame: str
    if region.frame in ("icrs", "galactic"):  # without conversion, so that the numbers do not change
        frame, position = region.frame, [float(u.Quantity(value).to_value("deg")) for value in (region.lon, region.lat)]
    else:
        frame, position = "icrs", [float(region.skycoord.ra.deg), float(region.skycoord.dec.deg)]
    if isinstance(region, Circle):
        return f"{frame}; circle({_listed([*position, float(u.Quantity(region.radius).to_value('deg'))])})"
    return f"{frame}; point({_listed(position)})"


def _listed(numbers: list[float]) -> str:
    # 17 digits give the same float64 when they are read.
    return ", ".join(f"{number:.17g}" for number in numbers)


def build_exclusion(target: Target) -> Map | None:
    """Create the exclusion mask of a target, False where gamma rays are expected; None without exclusion regions.

    Raises
    ------
    ConfigError
        If a region or the file cannot be used; names the target and the key.
    """
    path = target.exclusion_file
    others = SkyExclusion()
    if path is not None and is_mask_file(path):
        with _named(target, "exclusion_file"):
            mask = read_mask(path)
        if not target.exclusion:
            return mask  # with its own pixels
        others = SkyExclusion.from_mask(mask)
    texts = dict(_region_texts(target))
    for number, item in enumerate(target.exclusion):
        if isinstance(item, ExcludedMask | ExcludedCatalog | ExcludedStars):
            with _named(target, f"exclusion.{number}"):
                others |= _not_empty(sky_exclusion(item))
    if not texts and others.is_empty:
        return None
    geom = _exclusion_geom(target)
    if not isinstance(target, MapTarget | HealpixTarget):
        _refuse_pixels(target, texts)
    drawn = _drawn(target, geom, texts)
    if others.is_empty:
        return drawn
    found = others.make_mask(geom)
    return found if drawn is None else found.copy(data=found.data & drawn.data)


def _not_empty(exclusion: SkyExclusion) -> SkyExclusion:
    if exclusion.is_empty:
        raise ValueError("it excludes nothing: no row is left; check select and magnitude_max, or remove it")
    return exclusion


def _region_texts(target: Target) -> Iterator[tuple[str, str]]:
    """Yield the regions of a target in DS9 format, each with its key."""
    for number, item in enumerate(target.exclusion):
        if isinstance(item, ExcludedRegions):
            with _named(target, f"exclusion.{number}: regions {item.regions}"):
                yield f"exclusion.{number}", checked_regions(read_text(item.regions))
        elif isinstance(item, Circle | str):
            yield f"exclusion.{number}", region_text(item)
    path = target.exclusion_file
    if path is not None and not is_mask_file(path):
        with _named(target, f"exclusion_file {path}"):
            yield "exclusion_file", checked_regions(read_text(path))


def _refuse_pixels(target: Target, texts: Mapping[str, str]) -> None:
    """Refuse regions in pixels: those of the exclusion mask of a spectrum are nobody's."""
    for key, text in texts.items():
        with _named(target, key):
            try:
                on_sky(parse_regions(text), None)
            except ValueError as error:
                raise ValueError(
                    "it has a region in pixels (image), and a spectrum is on no image; save the regions in "
                    "coordinates of the sky, such as icrs"
                ) from error


def _drawn(target: Target, geom: WcsGeom | HpxGeom, texts: Mapping[str, str]) -> Map | None:
    """Return the mask that is False in some regions; None if there are none."""
    if not texts:
        return None
    try:
        drawn: Map = geom.region_mask(list(texts.values()), inside=False)
        return drawn
    except (TypeError, ValueError) as error:
        # All regions together say only that one is wrong: draw each by itself, with its key in the error.
        for key, text in texts.items():  # find the region to blame
            with _named(target, key):
                geom.region_mask([text], inside=False)
        raise ConfigError(f"target {target.name!r}: the exclusion regions cannot be used: {error}") from error


def _exclusion_geom(target: Target) -> WcsGeom | HpxGeom:
    if isinstance(target, HealpixTarget):
        return _healpix_geom(target).to_image()
    if isinstance(target, MapTarget):
        return _map_geom(target).to_image()
    center = _region_geom(target).center_skydir
    return WcsGeom.create(skydir=center, proj="TAN", width=_EXCLUSION_WIDTH * u.deg, binsz=_EXCLUSION_BINSZ)
