"""Settings of a reduction that are chosen from the data, with the reasons in words."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.coordinates import Angle

from lightpool.config.exclusions import excluded_file
from lightpool.config.positions import Position
from lightpool.config.settings import Settings
from lightpool.data import DataStore
from lightpool.errors import ConfigError, LightpoolError
from lightpool.fits import Place
from lightpool.quicklook.runs import NearbyRuns, Responses, nearby_runs, survey_responses
from lightpool.quicklook.targets import find_source
from lightpool.utils.text import number_of

__all__ = ["Choices", "Wishes", "choose_settings"]

RADIUS, MAX_OFFSET, BINSZ = 0.1, 2.0, 0.02
"""Defaults in deg: radius of the ON region, largest offset from the pointing, and pixel size."""

_RING_GAP, _RING_INNER, _RING_WIDTH = 0.1, 0.5, 0.3
"""Distance in deg of the ring from the exclusion around the source, its smallest inner radius, and its width."""

_EXCLUDED, _EXCLUDED_BEYOND = 0.3, 0.2
"""Radius in deg of the exclusion around the source: at least this, and this much more than that of the ON region."""

_HIGHEST = 100.0
"""Highest energy in TeV, where the tables go further."""

_BINS = 10
"""Bins per decade of energy."""

_TRUE_FACTOR = 4.0
"""How far the true energies extend beyond the others."""

_THETA_MAX = 0.3
"""Largest angle in deg of the table of theta squared."""

_MOST_OFF = 3
"""Number of OFF regions of point-like data, if their cuts do not overlap."""

_MOST_SHOWN = 12

_LONGEST_NAME = 60
"""Characters of a name in names of files, whose length is limited."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a user wants; None leaves the choice to the program.

    Attributes
    ----------
    source : str or None
        Name, or coordinates such as ``83.63 22.01`` or ``galactic 184.56 -5.78``.
    runs : sequence of int or None
    output : Path or None
        Folder of the results.
    width : Angle or None
        Width of the map.
    energy_min, energy_max : Quantity or None
    radius : Angle or None
        Radius of the ON region.
    max_offset : Angle or None
        Largest offset from the pointing: of the source, and of the events on the map.
    exclude : sequence of Path
        Files of regions, masks or catalogues.
    device : str or None
    """

    source: str | None = None
    runs: Sequence[int] | None = None
    output: Path | None = None
    width: Angle | None = None
    energy_min: u.Quantity | None = None
    energy_max: u.Quantity | None = None
    radius: Angle | None = None
    max_offset: Angle | None = None
    exclude: Sequence[Path] = ()
    device: str | None = None


@dataclass(frozen=True)
class Choices:
    """Settings, and what was chosen in them.

    Attributes
    ----------
    settings : Settings
    written : dict
        The same without the keys that have their defaults, for a settings file.
    notes : list of (str, str)
        What was chosen, and why, for the terminal.
    """

    settings: Settings
    written: dict[str, Any]
    notes: list[tuple[str, str]] = field(default_factory=list)


def choose_settings(store: DataStore, place: Place, wishes: Wishes) -> Choices:
    """Choose the settings of a quick look.

    Parameters
    ----------
    store : DataStore
    place : Path or str
        Its folder or address.
    wishes : Wishes

    Raises
    ------
    ConfigError
        If the source is unknown, no run points near it, or wishes contradict each other or the data.
    """
    name, position, origin = find_source(wishes.source, store, place)
    max_offset = Angle(wishes.max_offset if wishes.max_offset is not None else MAX_OFFSET * u.deg)
    nearby = nearby_runs(store, place, position.skycoord, max_offset, wishes.runs)
    responses = survey_responses(store, list(nearby.offsets))
    plan = _Plan.of(name, position, nearby, responses, wishes, max_offset)
    is_position = origin == "as given"
    slug = _place_in_names(position) if is_position else re.sub(r"[^a-z0-9]+", "-", name.lower().replace("+", "p"))
    slug = slug[:_LONGEST_NAME].strip("-") or _place_in_names(position)
    settings = {
        "observations": {
            "datastore": str(place if isinstance(place, str) else place.absolute()),
            "obs_ids": plan.runs,
            "required_irf": plan.required,
        },
        "targets": list(plan.targets(slug)),
        "run": {} if wishes.device is None else {"device": wishes.device},
        "output": {"folder": str((wishes.output or Path(f"quicklook-{slug}")).absolute())},
    }
    where = f"RA {position.skycoord.icrs.ra.deg:.4f} deg, Dec {position.skycoord.icrs.dec.deg:+.4f} deg ({origin})"
    notes = [("Source", where if is_position else f"{name}: {where}")]
    notes = [(label, _in_one_line(text)) for label, text in [*notes, *plan.notes(len(store.obs_ids))]]
    return Choices(Settings.from_dict(settings), settings, notes)


def _in_one_line(text: str) -> str:
    """Return a text that a comment of a settings file can have; names and errors come from files of anybody."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _place_in_names(position: Position) -> str:
    """Return a position for names of files: the same however it was written, with ``p`` and ``m`` for the signs."""
    radec = position.skycoord.icrs
    sign = "m" if radec.dec.deg < 0 else "p"
    return f"source-{radec.ra.deg:.4f}{sign}{abs(radec.dec.deg):.4f}"


@dataclass(frozen=True)
class _Plan:
    """Everything that the settings are made of; lengths are in deg, energies in TeV.

    The radius is that of the ON region, or the largest directional cut.
    """

    position: Position
    nearby: NearbyRuns
    responses: Responses
    runs: list[int]
    required: list[str]
    radius: float
    max_offset: float
    width: float
    energies: tuple[float, float]
    excluded: float
    exclude: list[dict[str, str]]
    is_energy_given: bool
    unused: list[str]

    @classmethod
    def of(
        cls,
        name: str,
        position: Position,
        nearby: NearbyRuns,
        responses: Responses,
        wishes: Wishes,
        max_offset: Angle,
    ) -> "_Plan":
        needed = ["aeff", "edisp", *([] if responses.is_pointlike else ["psf", "bkg"])]
        required = [kind for kind in needed if 2 * len(responses.runs_with(kind)) > len(responses.kinds)]
        runs = responses.runs_with(*required)
        if not {"aeff", "edisp"} <= set(required) or not runs:
            raise ConfigError(
                f"most of the {len(nearby.offsets)} runs near {name} have no effective area or no energy dispersion in "
                "the HDU index, which a spectrum needs; `lightpool check STORE` shows what is missing"
            )
        radius = RADIUS if wishes.radius is None else float(wishes.radius.deg)
        if radius < BINSZ and not responses.is_pointlike:
            raise ConfigError(f"got a --radius of {radius:.3g} deg, expected at least that of a pixel, {BINSZ:g} deg")
        unused = [key for key in ("radius", "width") if responses.is_pointlike and getattr(wishes, key) is not None]
        if responses.rad_max is not None:
            radius = responses.rad_max
        excluded = _rounded(max(_EXCLUDED, radius + _EXCLUDED_BEYOND), up=True)
        plan = cls(
            position=position,
            nearby=nearby,
            responses=responses,
            runs=runs,
            required=required,
            radius=radius,
            max_offset=float(max_offset.deg),
            width=2 * float(max_offset.deg) if wishes.width is None else float(wishes.width.deg),
            energies=_energies(responses, wishes),
            excluded=excluded,
            exclude=[_excluded(path) for path in wishes.exclude],
            is_energy_given=wishes.energy_min is not None,
            unused=unused,
        )
        reach, what = (plan.ring[1], "ring around the source") if plan.has_ring else (plan.radius, "ON region")
        smallest = 2 * reach + 4 * BINSZ
        if plan.has_map and plan.width < smallest:
            raise ConfigError(
                f"the map would be {plan.width:.3g} deg wide, and the {what} needs {smallest:.3g} deg: "
                "use a larger --width, or a smaller --radius"
            )
        return plan

    # --- what is made

    @property
    def offsets(self) -> dict[int, float]:
        """Offsets of the source in the runs that are reduced."""
        return {obs_id: self.nearby.offsets[obs_id] for obs_id in self.runs}

    @property
    def has_map(self) -> bool:
        return not self.responses.is_pointlike

    @property
    def has_ring(self) -> bool:
        return self.has_map and "bkg" in self.required

    @property
    def ring(self) -> tuple[float, float]:
        """Inner and outer radius."""
        inner = max(_RING_INNER, self.excluded + _RING_GAP)
        return inner, inner + _RING_WIDTH

    @property
    def n_off(self) -> int:
        """Number of OFF regions at equal angles about the pointing whose cuts do not overlap."""
        cut, near = self.radius, set(self.near_pointing)
        offset = min((offset for obs_id, offset in self.offsets.items() if obs_id not in near), default=0.0)
        distances = {n: 2 * offset * math.sin(math.pi / (n + 1)) for n in range(2, _MOST_OFF + 1)}
        return max((n for n, far in distances.items() if far > max(2 * cut, self.excluded)), default=1)

    @property
    def near_pointing(self) -> list[int]:
        """Runs that have no room for an OFF region at the offset of the source, outside the exclusion around it."""
        # The centre of a cut must be outside of the exclusion, and the whole of a circle but for parts of pixels.
        reach = (
            max(2 * self.radius, self.excluded)
            if self.responses.is_pointlike
            else self.radius + self.excluded - BINSZ / 2
        )
        return [obs_id for obs_id, offset in self.offsets.items() if 2 * offset < reach]

    @property
    def _position(self) -> dict[str, Any]:
        return self.position.model_dump(mode="json")

    def targets(self, slug: str) -> "list[dict[str, Any]]":
        """Return the targets: a map, unless the responses are point-like, and a spectrum."""
        theta_squared = {"theta_squared": {"theta_max": f"{_THETA_MAX:g} deg"}} if self._has_theta_squared else {}
        spectrum = {"name": f"{slug}-spectrum"} | self._spectrum()
        if not self.has_map:
            return [spectrum | theta_squared]
        return [{"name": f"{slug}-map"} | self._map() | theta_squared, spectrum]

    @property
    def _has_theta_squared(self) -> bool:
        return any(offset > _THETA_MAX for offset in self.offsets.values())

    @property
    def _exclusion(self) -> list[dict[str, Any]]:
        return [self._position | {"radius": f"{self.excluded:g} deg"}, *self.exclude]

    def _axes(self) -> dict[str, Any]:
        low, high = self.energies
        true = max(self.responses.true_min, low / _TRUE_FACTOR), min(self.responses.true_max, high * _TRUE_FACTOR)
        return {
            "energy": _bins(low, high),
            "energy_true": _bins(_rounded(true[0], up=True), _rounded(true[1], up=False)),
        }

    def _safe(self, *more: str) -> dict[str, Any]:
        method = "aeff-default" if self.responses.has_thresholds else "aeff-max"
        step: dict[str, Any] = {"type": "SafeMaskMaker", "methods": [method, *more]}
        return step | ({"offset_max": f"{self.max_offset:g} deg"} if more else {})

    def _map(self) -> dict[str, Any]:
        inner, outer = self.ring
        selection = ["counts", "exposure", *(["background"] if self.has_ring else [])]
        makers = [{"type": "MapDatasetMaker", "selection": selection}, self._safe("offset-max")]
        if self.has_ring:
            makers.append({"type": "RingBackgroundMaker", "r_in": f"{inner:g} deg", "width": f"{_RING_WIDTH:g} deg"})
        return {
            "kind": "map",
            "center": self._position,
            "width": f"{self.width:g} deg",
            "binsz": f"{BINSZ:g} deg",
            "proj": "TAN",
            "source": self._position | {"radius": f"{self.radius:g} deg"},
            **self._axes(),
            "exclusion": self._exclusion,
            # with the whole rings of the outermost pixels
            "cutout_width": f"{2 * (self.max_offset + outer):g} deg",
            "makers": makers,
        }

    def _spectrum(self) -> dict[str, Any]:
        maker: dict[str, Any] = {"type": "SpectrumDatasetMaker", "selection": ["counts", "exposure", "edisp"]}
        if self.responses.is_pointlike:
            region = self._position
            background: dict[str, Any] = {"finder": "wobble", "n_off_regions": self.n_off}
        else:
            region, background = self._position | {"radius": f"{self.radius:g} deg"}, {"finder": "reflected"}
            maker |= {"containment_correction": "psf" in self.required}
        return {
            "kind": "spectrum",
            "region": region,
            **self._axes(),
            "exclusion": self._exclusion,
            "makers": [maker, {"type": "ReflectedRegionsBackgroundMaker"} | background, self._safe()],
        }

    # --- in words

    def notes(self, n_run: int) -> list[tuple[str, str]]:
        """Return what was chosen, in words."""
        is_pointlike, low, high = self.responses.is_pointlike, *self.energies
        shown = " ".join(map(str, islice(self.runs, _MOST_SHOWN))) + (" ..." if len(self.runs) > _MOST_SHOWN else "")
        notes = [
            ("Runs", f"{len(self.runs)} of {n_run}, pointing within {self.max_offset:g} deg of the source: {shown}"),
            ("Energies", f"{low:g} TeV to {high:g} TeV; {self._reason_for_energies()}"),
        ]
        if self.has_map:
            inner, outer = self.ring
            how = (
                f"ring background from {inner:g} to {outer:g} deg"
                if self.has_ring
                else "counts alone: no background response"
            )
            notes.append(("Map", f"{self.width:g} deg wide, pixels of {BINSZ:g} deg, {how}"))
        else:
            notes.append(("Map", "none: the responses are point-like, and only hold in the region of the source"))
        size = "directional cut of the responses" if is_pointlike else f"circle of {self.radius:g} deg"
        off = f"{number_of(self.n_off, 'OFF region')} about the pointing" if is_pointlike else "reflected regions"
        psf = "; no correction for the containment: no PSF" if self.has_map and "psf" not in self.required else ""
        notes += [
            ("Spectrum", f"{size}, {off}{psf}"),
            (
                "Excluded",
                f"{self.excluded:g} deg around the source" + "".join(f", {_first(each)}" for each in self.exclude),
            ),
        ]
        if not self._has_theta_squared:
            notes.append(("Note", f"no table of theta squared: all runs point within {_THETA_MAX:g} deg of the source"))
        return notes + [("Note", text) for text in self._problems()]

    def _reason_for_energies(self) -> str:
        if self.is_energy_given:
            return "the lower end as given"
        n = self.responses.n_opened
        of_runs = f"of {number_of(n, 'run')}"
        if self.responses.has_thresholds:
            return f"from the lowest threshold in the files {of_runs}"
        return f"from where the effective area {of_runs} reaches 10% of its maximum, as the files name no threshold"

    def _problems(self) -> list[str]:
        found = [f"--{key} is not used: the responses are point-like" for key in self.unused]
        if self.nearby.far:
            found.append(f"left out, as they point farther from the source: {_listed(self.nearby.far)}")
        if self.nearby.unknown:
            found.append(f"left out, as their pointing is unknown: {_listed(self.nearby.unknown)}")
        left_out = sorted(set(self.responses.kinds) - set(self.runs))
        if left_out:
            found.append(f"left out, as they lack some of {', '.join(self.required)}: {_listed(left_out)}")
        if self.responses.unreadable:
            found.append(f"responses that were not used for these choices: {'; '.join(self.responses.unreadable[:5])}")
        if near := self.near_pointing:
            found.append(
                f"not in the spectrum, as their pointing is too near the source for OFF regions: {_listed(near)}"
            )
        return found


def _listed(obs_ids: Sequence[int]) -> str:
    more = f" and {len(obs_ids) - _MOST_SHOWN} others" if len(obs_ids) > _MOST_SHOWN else ""
    return " ".join(map(str, obs_ids[:_MOST_SHOWN])) + more


def _excluded(path: Path) -> dict[str, str]:
    try:
        return excluded_file(path)
    except (LightpoolError, OSError) as error:
        raise ConfigError(f"--exclude {path} cannot be read: {error}") from error


def _first(item: dict[str, str]) -> str:
    return Path(next(iter(item.values()))).name


def _energies(responses: Responses, wishes: Wishes) -> tuple[float, float]:
    """Return the range of energies in TeV: as wished, or that of the responses."""
    low, high = (
        None if each is None else float(each.to_value("TeV")) for each in (wishes.energy_min, wishes.energy_max)
    )
    low = _rounded(responses.energy_min, up=True) if low is None else low
    high = _rounded(min(responses.energy_max, _HIGHEST), up=False) if high is None else high
    is_covered = high * _TRUE_FACTOR > responses.true_min and low / _TRUE_FACTOR < responses.true_max
    if not low < high or not is_covered:
        raise ConfigError(
            f"the lowest energy would be {low:g} TeV and the highest {high:g} TeV; the responses of the runs allow "
            f"{responses.energy_min:.3g} to {responses.energy_max:.3g} TeV: change --energy-min or --energy-max"
        )
    return low, high


def _bins(low: float, high: float) -> dict[str, Any]:
    return {"min": f"{low:g} TeV", "max": f"{high:g} TeV", "nbin": _BINS, "per_decade": True}


def _rounded(value: float, *, up: bool) -> float:
    """Round to two digits, up or down."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    count = value / step
    # a number of two digits stays as it is, in spite of the rounding of the division
    whole = round(count) if abs(count - round(count)) < 1e-9 else math.ceil(count) if up else math.floor(count)
    return float(f"{whole * step:.12g}")
