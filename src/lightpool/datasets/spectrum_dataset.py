"""Datasets whose maps have no pixels but one region on the sky."""

from typing import Self, Unpack

from astropy.table import Table

from lightpool.bridge import accepts_gammapy, gammapy_bridge
from lightpool.datasets.map_dataset import DatasetOptions, MapDataset
from lightpool.maps import MapAxis, RegionGeom
from lightpool.typing import Axes, TimeLike

__all__ = ["SpectrumBase", "SpectrumDataset"]


class SpectrumBase(MapDataset):
    """Base of datasets of a region: no PSF, no pixels, plots against energy."""

    @classmethod
    @accepts_gammapy
    def create(  # type: ignore[override]  # no PSF, so fewer arguments, as in Gammapy
        cls,
        geom: RegionGeom,
        energy_axis_true: MapAxis | None = None,
        migra_axis: MapAxis | None = None,
        reference_time: "TimeLike" = "2000-01-01",
        name: str | None = None,
        meta_table: Table | None = None,
        precision: str | None = None,
        **kwargs: Unpack[DatasetOptions],
    ) -> Self:
        """Create a dataset of maps of zeros, without a PSF.

        Parameters
        ----------
        geom : RegionGeom
            Geometry of counts and background, with an axis ``energy``.
        energy_axis_true : MapAxis
            Axis ``energy_true`` of exposure and energy dispersion; the edges of ``energy`` by default.
        migra_axis : MapAxis
            With it the energy dispersion is a map in migra (EDispMap), without it one of kernels (EDispKernelMap).
        reference_time : Time or str
            Reference time of the good time intervals.
        name : str
            Name of the dataset, a random one by default.
        meta_table : Table
            Table of the observations in the dataset.
        precision : {"double", "single"}, see `MapDataset.create`
        **kwargs : further arguments of the class
        """
        if not isinstance(geom, RegionGeom):
            raise TypeError(
                f"a {cls.__name__} needs a RegionGeom, got {type(geom).__name__}; "
                "RegionGeom.create(region, axes=[...]) makes one, a MapDataset has pixels"
            )
        dataset = super().create(
            geom,
            energy_axis_true=energy_axis_true,
            migra_axis=migra_axis,
            reference_time=reference_time,
            name=name,
            meta_table=meta_table,
            precision=precision,
            **kwargs,
        )
        # MapDataset.create makes one, but a spectrum has none, as in Gammapy.
        dataset.psf = None
        return dataset

    def cutout(self, *args: object, **kwargs: object) -> Self:
        """Refuse: a region has no pixels to cut out."""
        raise TypeError(f"dataset {self.name!r} has one region and no pixels, so nothing can be cut out")

    def plot_counts(
        self,
        ax: "Axes | None" = None,
        kwargs_counts: dict[str, object] | None = None,
        kwargs_background: dict[str, object] | None = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot counts and background as histograms.

        Parameters
        ----------
        ax : matplotlib axes, optional
        kwargs_counts, kwargs_background : dict
            Passed to ``hist`` of matplotlib for one of the two.
        **kwargs : dict
            Passed to it for both.

        Returns
        -------
        ax : matplotlib axes
        """
        from lightpool.plot.spectra import plot_counts

        axes: Axes = plot_counts(self, ax, kwargs_counts, kwargs_background, **kwargs)
        return axes

    def plot_masks(
        self,
        ax: "Axes | None" = None,
        kwargs_fit: dict[str, object] | None = None,
        kwargs_safe: dict[str, object] | None = None,
    ) -> "Axes":
        """Shade the energies of the safe mask and of the fit mask.

        Parameters
        ----------
        ax : matplotlib axes, optional
        kwargs_fit, kwargs_safe : dict
            Passed to `RegionNDMap.plot_mask` for one of the two.

        Returns
        -------
        ax : matplotlib axes
        """
        from lightpool.plot.spectra import plot_masks

        axes: Axes = plot_masks(self, ax, kwargs_fit, kwargs_safe)
        return axes

    def plot_excess(
        self,
        ax: "Axes | None" = None,
        kwargs_excess: dict[str, object] | None = None,
        kwargs_npred_signal: dict[str, object] | None = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot the excess with its errors, and the predicted signal.

        Parameters
        ----------
        ax : matplotlib axes, optional
        kwargs_excess : dict
            Passed to ``errorbar`` of matplotlib for the excess.
        kwargs_npred_signal : dict
            Passed to ``hist`` of matplotlib for the signal.
        **kwargs : dict
            Passed to both.

        Returns
        -------
        ax : matplotlib axes
        """
        from lightpool.plot.spectra import plot_excess

        axes: Axes = plot_excess(self, ax, kwargs_excess, kwargs_npred_signal, **kwargs)
        return axes

    def plot_fit(self, *args: object, **kwargs: object) -> tuple["Axes", "Axes"]:
        """Plot counts, prediction and residuals, as Gammapy does.

        Parameters
        ----------
        *args, **kwargs : those of Gammapy's `SpectrumDataset.plot_fit`
        """
        axes: tuple[Axes, Axes] = gammapy_bridge().counterpart(self).plot_fit(*args, **kwargs)
        return axes

    def peek(self, figsize: tuple[float, float] = (16, 4)) -> None:
        """Plot counts, exposure and energy dispersion."""
        from lightpool.plot.spectra import peek

        peek(self, figsize)


class SpectrumDataset(SpectrumBase):
    """Counts, background, exposure and energy dispersion of a region; arguments as for `MapDataset`."""

    tag = "SpectrumDataset"
