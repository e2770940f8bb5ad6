"""What notebooks show of datasets.

Showing a dataset reads no file, copies nothing from a device, and computes nothing that waits to be computed: maps that
nobody has read yet, the mean response of a growing stack, merged tables. The card says what waits. Sums are shown if
all maps that they need are arrays on the host; they are those of ``print(dataset)``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from astropy.table import Table

from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.devices.memory import format_bytes
from lightpool.data import GTI
from lightpool.datasets.base import DatasetBase, DatasetPart
from lightpool.datasets.info_dict import read_scalars
from lightpool.datasets.memory import memory_of_maps
from lightpool.datasets.models.model_lists import DatasetModels
from lightpool.datasets.statistics import masked_sum
from lightpool.irf import IRFMap
from lightpool.maps import Geom, Map
from lightpool.maps.map_card import known_meta, map_row, reason_not_shown
from lightpool.typing import GammapyObject
from lightpool.utils.accumulators import MergedValue
from lightpool.utils.html import (
    MAX_ROWS,
    Card,
    Html,
    Picture,
    Section,
    ShownInNotebooks,
    escaped,
    fields,
    grid,
    listed,
    nested,
    note,
    pictures,
    times,
)
from lightpool.utils.on_demand import Deferred
from lightpool.utils.text import number_of

__all__ = ["ViewOfDataset", "dataset_card", "datasets_card", "known_maps"]

_SUMMED = ("counts", "background", "mask_safe", "mask_fit", "counts_off", "acceptance", "acceptance_off")
"""Maps without which sums are not shown; the exposure may be missing."""
MAX_BINS = {"cash": 1_500_000, "wstat": 500_000}
"""Bins of which the statistic is computed, which takes a tenth of a second or two."""
_WAITS = "not read or computed yet: it is when it is used"


class ViewOfDataset(Protocol):
    """A dataset that shares arrays with the one that is shown, and whose own state may change."""

    stat_type: str

    @property
    def counts(self) -> Map | None:
        """Counts."""

    @property
    def background(self) -> Map | None:
        """Background."""

    @property
    def mask_safe(self) -> Map | None:
        """Safe mask."""

    def npred_background(self) -> Map | None:
        """Predict the background."""

    def text_rows(self) -> list[dict[str, object]]:
        """Return the values that ``print`` shows, paragraph by paragraph."""
        ...


def known_maps(dataset: DatasetBase) -> dict[str, DatasetPart]:
    """Return the maps and responses of a dataset that exist, by name; nothing is read or computed."""
    given = dataset.given_parts
    return {name: part for name, part in given.items() if isinstance(part, Map | IRFMap)}


def _geom_of(parts: Mapping[str, DatasetPart]) -> Geom | None:
    names = ("counts", "background", "counts_off", "mask_safe", "mask_fit")
    return next((parts[name].geom for name in names if name in parts), None)


def dataset_card(dataset: DatasetBase, view_of: Callable[[Mapping[str, DatasetPart]], ViewOfDataset]) -> Card:
    """Return the card of a dataset.

    Parameters
    ----------
    dataset : Dataset
    view_of : function that returns a dataset of the same kind and models, of some maps
    """
    parts = known_maps(dataset)
    geom = _geom_of(parts)
    reason = _reason_for_no_sums(dataset)
    views: dict[str, DatasetPart] = {}
    if reason is None:
        views = {name: _view(part) for name, part in parts.items() if isinstance(part, Map) and _is_seen(part)}

    def plot() -> Html:
        return Html("") if reason or "counts" not in parts else _plot(view_of(views))

    def summary() -> Html:
        return note(reason) if reason else _summary(dataset, view_of(views))

    gti, table = dataset.observation_values
    models = dataset.models
    return Card(
        type(dataset).__name__,
        dataset.name,
        _facts(parts, geom),
        [
            Section("Plot", plot, is_open=True, only_alone=True),
            Section("Summary", summary, "inside the safe mask", is_open=True, only_alone=True),
            Section("Maps", lambda: _maps(dataset), ", ".join(_names_of_parts(dataset)) or "none"),
            Section("Geometry", lambda: Html("") if geom is None else nested(geom.html_card)),
            Section("Good time intervals", lambda: _gti(gti)),
            Section("Observations", lambda: _table(table)),
            Section("Models", lambda: _models(dataset), "" if models is None else ", ".join(models.names)),
            Section("Metadata", lambda: _meta(dataset)),
        ],
    )


def _facts(parts: Mapping[str, DatasetPart], geom: Geom | None) -> list[object]:
    if geom is None:
        return ["no maps" if not parts else ""]
    devices = ", ".join(sorted({str(part.device) for part in parts.values()}))
    memory = format_bytes(memory_of_maps(parts).n_bytes)
    return [", ".join(geom.axes_names), times(geom.data_shape[::-1]), devices, memory]


def _names_of_parts(dataset: DatasetBase) -> list[str]:
    return [name for name, part in dataset.given_parts.items() if part is not None]


def _reason_for_no_sums(dataset: DatasetBase) -> str | None:
    """Return why the sums of a dataset are not shown, None if they are."""
    given = dataset.given_parts
    if not any(given.get(name) is not None for name in _SUMMED):
        return "no maps"
    for name in _SUMMED:
        part = given.get(name)
        if isinstance(part, Deferred):
            return f"{name} is {_WAITS}; print(dataset) does that"
        if name == "counts" and isinstance(part, Map) and isinstance(part.stored, LazyArray) and part.stored.is_zero:
            return "no data yet: the counts are zero everywhere"
        if isinstance(part, Map) and (why := reason_not_shown(part)) is not None:
            return f"{name} is {why}; print(dataset) shows the sums"
    return None


def _is_seen(data: Map) -> bool:
    return reason_not_shown(data) is None


def _view(data: Map) -> Map:
    """Return a map that shares the array of another one, and whose own state may change."""
    view: Map = type(data)(data.geom, data=data.stored, unit=data.unit, meta=dict(data.unread_meta), device=data.device)
    return view


def _plot(view: ViewOfDataset) -> Html:
    def draw() -> list[Picture]:
        from lightpool.plot.dataset_previews import draw_dataset  # matplotlib is heavy and optional

        return draw_dataset(view)

    return pictures(draw, "Counts on the sky, and counts and background for each energy")


def _summary(dataset: DatasetBase, view: ViewOfDataset) -> Html:
    rows = {name: value for paragraph in _paragraphs(view) for name, value in paragraph.items() if name != "Name"}
    exposure = dataset.given_parts.get("exposure")
    if exposure is not None and not (isinstance(exposure, Map) and _is_seen(exposure)):
        rows["Exposure"] = note("read or computed when it is used")
    if isinstance(exposure, Map) and "livetime" in exposure.unread_meta:
        rows["Livetime"] = known_meta(exposure.unread_meta)["livetime"]
    missing = _labels_without_values(dataset)
    text = {key: value for key, value in rows.items() if key not in missing or str(value) not in ("nan", "nan cm s")}
    if dataset.counterpart is not None:
        remark = note("without the models, which are Gammapy's: print(dataset) predicts with them")
        return Html(f"{fields(text)}{remark}")
    return fields(text)


def _labels_without_values(dataset: DatasetBase) -> set[str]:
    """Return the labels of values that are NaN because maps or models are missing; any other NaN is shown."""
    given = dataset.given_parts
    labels = {"Predicted excess counts", "Fit statistic value (-2 log(L))", "Total counts_off"}
    if given.get("exposure") is None:
        labels |= {"Exposure min", "Exposure max"}
    off = ("counts_off", "acceptance", "acceptance_off")
    needed = ("counts", *(off if any(name in given for name in off) else ("background",)))
    if any(given.get(name) is None for name in needed):
        labels |= {"Total background counts", "Total excess counts", "Predicted counts", "Predicted background counts"}
    return labels


def _paragraphs(view: ViewOfDataset) -> list[dict[str, object]]:
    counts = view.counts
    if counts is None or math.prod(counts.geom.data_shape) <= MAX_BINS[view.stat_type]:
        return view.text_rows()
    mask = None if view.mask_safe is None else view.mask_safe.data
    maps = {"counts": counts, "background": view.background}
    totals = read_scalars({name: masked_sum(each.data, mask) for name, each in maps.items() if each is not None})
    rows: dict[str, object] = {"Total counts": f"{totals['counts']:.0f}"}
    if "background" in totals:
        rows["Total background counts"] = f"{totals['background']:.2f}"
    rows["Number of total bins"] = math.prod(counts.geom.data_shape)
    return [rows, {"Statistic": note("takes long with so many bins: print(dataset) computes it")}]


def _maps(dataset: DatasetBase) -> Html:
    rows = [
        row
        for name, part in dataset.given_parts.items()
        if part is not None
        for row in ((name, _WAITS),) * isinstance(part, Deferred) or _rows_of_part(name, part)
    ]
    width = 7
    filled = [(*row, *[""] * (width - len(row))) for row in rows]
    return grid(("name", "axes", "shape", "unit", "type", "memory", ""), filled) if filled else Html("")


def _rows_of_part(name: str, part: object) -> list[tuple[object, ...]]:
    if isinstance(part, IRFMap):
        response, exposure = part.known_maps
        kind = type(part).__name__
        if response is None:
            waits = "sums of a stack, divided by the exposure when they are read"
            rows: list[tuple[object, ...]] = [(name, waits, times(part.geom.data_shape[::-1]), "", "", "", kind)]
        else:
            rows = [(name, *map_row(response), kind)]
        return rows if exposure is None else [*rows, (f"{name} exposure", *map_row(exposure), "")]
    assert isinstance(part, Map)
    return [(name, *map_row(part), _state(part))]


def _state(data: Map) -> str:
    """Return what is unusual about the values of a map."""
    reason = reason_not_shown(data, most=math.prod(data.geom.data_shape))
    return "" if reason is None or not data.device.is_host else reason


def _waiting(merged: MergedValue[GTI] | MergedValue[Table]) -> Html:
    """Return a remark about values that are not merged or read yet."""
    n_part = merged.n_parts
    return note(f"{n_part} parts, merged when they are used" if n_part > 1 else "read when they are used")


def _gti(merged: MergedValue[GTI] | None) -> Html:
    if merged is None or merged.is_empty:
        return Html("")
    known = merged.known
    return _waiting(merged) if known is None else nested(known.html_card)


def _table(merged: MergedValue[Table] | None) -> Html:
    """Return the first rows of a table of observations; a cell of a stack holds one value for each observation."""
    if merged is None or merged.is_empty:
        return Html("")
    table = merged.known
    if table is None:
        return _waiting(merged)
    names = list(table.colnames)
    if len(table) == 1:
        return fields({name: str(table[name][0]) for name in names})
    rows = [[str(table[name][i]) for name in names] for i in range(min(len(table), MAX_ROWS))]
    return grid(names, rows, len(table))


def _models(dataset: DatasetBase) -> object:
    models = dataset.models
    if models is None or not len(models):
        return Html("")
    if not isinstance(models, DatasetModels):
        return note(f"models of Gammapy: {', '.join(models.names)}")
    return listed([*models], lambda _, model: nested(model.html_card))


def _meta(dataset: DatasetBase) -> object:
    given = vars(dataset).get("meta")  # classes of users need not have any
    return nested(given.html_card) if isinstance(given, ShownInNotebooks) else Html("")


def datasets_card(datasets: Sequence[GammapyObject], title: str) -> Card:
    """Return the card of a list of datasets.

    Parameters
    ----------
    datasets : sequence of Dataset; those of kinds that only Gammapy has are shown by name and type
    title : str
    """
    content = Section("Datasets", lambda: listed(datasets, _in_list), is_open=True)
    return Card(title, "", [number_of(len(datasets), "dataset")], [content])


def _in_list(i: int, dataset: GammapyObject) -> Html:
    if isinstance(dataset, ShownInNotebooks):
        return nested(dataset.html_card, f"{i}")
    return Html(f'<div class="lp-line">{escaped(i)} {escaped(type(dataset).__name__)} {escaped(dataset.name)}</div>')
