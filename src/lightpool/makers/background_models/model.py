"""A background model: rates with their errors, what they were made of, and the table of them for files."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.irf import Background2D, Background3D
from lightpool.makers.background_models import model_format
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.makers.background_models.groups import Validity
from lightpool.maps import MapAxis
from lightpool.typing import MetaValue, PathInput
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, fields

__all__ = ["BackgroundModel"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BackgroundModel(ShownInNotebooks):
    """Background rates of a group of runs, or of one run.

    Attributes
    ----------
    name : str
        Of the group.
    energy_axis : MapAxis
    field : FieldBins
    rate, error : arrays of float64, shape ``(n_energy, *field.shape)``, s-1 MeV-1 sr-1
        Rate per observation time, as GADF defines it, at the centre of each bin, and its statistical error: without
        events, that of one event. NaN where less of the exposure remained than asked for: nothing is known there.
    counts : array of int64, shape ``(n_energy, *field.shape)``
        Events outside of the exclusion.
    exposure, remaining : arrays of float64, shape ``field.shape``
        On-time x solid angle that is not excluded (s sr), and which part that is of all of it.
    centre_factor : array of float64, shape (n_energy,)
        Mean rate in a bin of energy over that at its centre.
    is_extrapolated : array of bool, shape (n_energy,)
        Where the rate is a power law that was fitted at lower energies.
    obs_ids : array of int64
        Runs that it is made of.
    ontime, livetime : float, s
    validity : mapping of column to interval or text
    means : mapping of column to float
        Means over the runs, weighted with their on-times: of the cosine of the zenith angle (``COS_ZEN``), and of
        columns of numbers that were grouped by.
    norm, norm_error : float
        Factor of a run on the model of its group, 1 and 0 for a group.
    """

    name: str
    energy_axis: MapAxis
    field: FieldBins
    rate: HostFloats
    error: HostFloats
    counts: NDArray[np.int64]
    exposure: HostFloats
    remaining: HostFloats
    centre_factor: HostFloats
    is_extrapolated: NDArray[np.bool_]
    obs_ids: NDArray[np.int64]
    ontime: float
    livetime: float
    validity: Mapping[str, Validity] = dataclasses.field(default_factory=dict)
    means: Mapping[str, float] = dataclasses.field(default_factory=dict)
    norm: float = 1.0
    norm_error: float = 0.0

    def html_card(self) -> Card:
        """Return what notebooks show of the model."""

        def rows() -> Html:
            return fields(
                {
                    "runs": self.n_run,
                    "on-time": f"{self.ontime / 3600:.4g} h",
                    "live time": f"{self.livetime / 3600:.4g} h",
                    "events": f"{self.counts.sum():,}",
                    "bins without a rate": f"{self.n_invalid:,} of {self.rate.size:,}",
                    "norm": None if self.norm == 1 else f"{self.norm:.4g} +/- {self.norm_error:.2g}",
                    **{name: str(value) for name, value in self.validity.items()},
                    **{f"mean {name}": f"{value:.4g}" for name, value in self.means.items()},
                }
            )

        sections = [Section("Summary", rows, is_open=True), *self.table.html_card().sections]
        return Card(type(self).__name__, self.name, [f"{self.n_run} runs", f"{self.ontime / 3600:.4g} h"], sections)

    @property
    def n_run(self) -> int:
        """Number of runs that the model is made of."""
        return len(self.obs_ids)

    @property
    def is_valid(self) -> NDArray[np.bool_]:
        """Where the rate is known, shape of `rate`."""
        return np.isfinite(self.rate)

    @property
    def n_invalid(self) -> int:
        """Number of bins without a known rate."""
        return int(np.count_nonzero(~self.is_valid))

    @cached_property
    def table(self) -> Background2D | Background3D:
        """The table for observations: zero where the rate is not known, with the number of such bins in ``meta``."""
        kind = Background2D if self.field.is_radial else Background3D
        return kind(
            axes=[self.energy_axis, *self.field.axes],
            data=np.nan_to_num(self.rate, nan=0.0),
            unit="s-1 MeV-1 sr-1",
            fov_alignment=self.field.alignment,
            meta=self.keywords,
        )

    @property
    def keywords(self) -> dict[str, MetaValue]:
        """Keywords of the table: what it is made of, and where it is valid, see `model_format.keywords_of`."""
        return model_format.keywords_of(self)

    def mean_rate(self) -> HostFloats:
        """Return the mean rate in each bin of energy, shape of `rate`, s-1 MeV-1 sr-1."""
        wide = (-1,) + (1,) * len(self.field.shape)
        return np.asarray(self.rate * self.centre_factor.reshape(wide))

    def predicted_counts(self, exposure: HostFloats) -> HostFloats:
        """Return the expected number of events in each bin; NaN where the rate is not known.

        Parameters
        ----------
        exposure : array of float64, shape ``field.shape`` or (n_field,), s sr

        Returns
        -------
        counts : array of float64, shape of `rate`
        """
        width = np.diff(self.energy_axis.edges.to_value("MeV")).reshape((-1,) + (1,) * len(self.field.shape))
        return np.asarray(self.mean_rate() * width * np.reshape(exposure, self.field.shape))

    def scaled(self, norm: float, norm_error: float = 0.0, *, name: str | None = None) -> "BackgroundModel":
        """Return the model with a factor on its rates.

        Parameters
        ----------
        norm, norm_error : float
        name : str, optional
        """
        error = np.sqrt((norm * self.error) ** 2 + (norm_error * self.rate) ** 2)
        return replace(
            self,
            rate=norm * self.rate,
            error=error,
            norm=norm,
            norm_error=norm_error,
            name=self.name if name is None else name,
        )

    def write(self, filename: PathInput, overwrite: bool = False) -> None:
        """Write to a FITS file: the table of GADF, which other programs read, and the rest in HDUs of their own.

        Parameters
        ----------
        filename : str or path-like
        overwrite : bool
        """
        model_format.write_model(self, filename, overwrite)

    @classmethod
    def read(cls, filename: PathInput) -> "BackgroundModel":
        """Read a file that `write` wrote.

        Parameters
        ----------
        filename : str or path-like
        """
        return cls(**model_format.read_model(filename))
