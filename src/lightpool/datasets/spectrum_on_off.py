"""Counts of a region and of OFF regions, in bins of energy."""

import logging
from pathlib import Path
from typing import Self

from lightpool.bridge import accepts_gammapy
from lightpool.datasets.base import DatasetBase
from lightpool.datasets.formats import fits_format, ogip
from lightpool.datasets.formats.ogip_read import read_grouped_axis, read_ogip
from lightpool.datasets.formats.ogip_write import write_ogip
from lightpool.datasets.on_off import OnOffDataset
from lightpool.datasets.spectrum_dataset import SpectrumBase, SpectrumDataset
from lightpool.errors import FormatError
from lightpool.fits import FileKind, FitsFile, file_kinds, make_path, read_fits, require_kind
from lightpool.maps import Map
from lightpool.typing import PathInput

__all__ = ["SpectrumDatasetOnOff"]

log = logging.getLogger(__name__)


class SpectrumDatasetOnOff(SpectrumBase, OnOffDataset):
    """Counts, OFF counts, acceptances, exposure and energy dispersion of a region; for spectra.

    Arguments as for `OnOffDataset`, with a region as the sky part of all maps.
    """

    tag = "SpectrumDatasetOnOff"

    @classmethod
    @accepts_gammapy
    def from_spectrum_dataset(
        cls,
        dataset: DatasetBase,
        acceptance: Map | float,
        acceptance_off: Map | float,
        counts_off: Map | None = None,
        name: str | None = None,
    ) -> Self:
        """Create an ON-OFF dataset from a `SpectrumDataset`.

        Parameters
        ----------
        dataset : SpectrumDataset
        acceptance, acceptance_off : RegionNDMap or float
        counts_off : RegionNDMap
            By default what the background of the dataset, if it has one, would give: background / alpha.
        name : str
        """
        return cls.from_map_dataset(dataset, acceptance, acceptance_off, counts_off=counts_off, name=name)

    def to_spectrum_dataset(self, name: str | None = None) -> SpectrumDataset:  # type: ignore[override]  # as in Gammapy
        """Return a dataset with the Cash statistic, whose known background is ``alpha * counts_off``."""
        return SpectrumDataset(
            name=name,
            counts=self.counts,
            exposure=self.exposure,
            background=self.background,
            edisp=self.edisp,
            mask_safe=self.mask_safe,
            mask_fit=self.mask_fit,
            **self.observation_parts,
        )

    # --- files

    def write(  # type: ignore[override]  # the order of arguments is Gammapy's
        self, filename: PathInput, overwrite: bool = False, format: str = "gadf", checksum: bool = False
    ) -> None:
        """Write one FITS file (``gadf``), or a PHA file and next to it an ARF, a BKG and an RMF file (the others).

        Parameters
        ----------
        filename : str or Path
            In the OGIP formats that of the PHA file; the others are called ``..._arf.fits`` and so on.
        overwrite : bool
        format : {"gadf", "ogip", "xspec"}
            ``xspec`` is for XSPEC and Sherpa, which take all energies for keV and all areas for cm2, whatever the
            units in the file are. ``ogip`` keeps the units of the dataset. ``ogip-sherpa`` is another name of
            ``xspec``.
        checksum : bool, whether to put checksums into the headers
        """
        if format == "gadf":
            fits_format.write(self, filename, overwrite, checksum)
        else:
            write_ogip(self, filename, format, overwrite, checksum)

    @classmethod
    def read(  # type: ignore[override]  # the order of arguments is Gammapy's
        cls,
        filename: PathInput | FitsFile,
        format: str | None = None,
        checksum: bool = False,
        name: str | None = None,
        lazy: bool = False,
        cache: bool = True,
        grouped: bool = False,
    ) -> Self:
        """Read a FITS file of the layout ``gadf``, or a PHA file and the files that it names.

        Parameters
        ----------
        filename : str or Path
        format : {"gadf", "ogip"}, by default the one that the HDUs have
        checksum : bool, whether to verify the checksums in the headers; one that is wrong is an error
        name : str, by default the one in the file
        lazy : bool, whether the maps of a ``gadf`` file are read when they are first used
        cache : bool, whether they are kept then
        grouped : bool
            Whether channels that a PHA file groups (column ``GROUPING``) are joined, those of good quality. By default
            they are kept one by one, with a warning.
        """
        file = filename if isinstance(filename, FitsFile) else read_fits(filename)
        if format not in (None, "gadf", *ogip.FORMATS):
            raise FormatError(f"spectra are read in the formats 'gadf' and 'ogip', got {format!r}")
        kinds = {"gadf": FileKind.SPECTRUM_DATASET_ON_OFF, "ogip": FileKind.PHA}
        wanted = [kinds["gadf" if format == "gadf" else "ogip"]] if format else list(kinds.values())
        require_kind(file, f"{cls.__name__}.read", *wanted)
        if FileKind.PHA not in file_kinds(file):
            return super().read(file, name=name, lazy=lazy, cache=cache, checksum=checksum)
        dataset = cls(**read_ogip(file, name=name, checksum=checksum))
        axis = read_grouped_axis(file)
        if axis is None:
            return dataset
        if grouped:
            return dataset.resample_energy_axis(axis, name=dataset.name)
        log.warning("%s groups channels; they are read one by one, grouped=True joins them", file.source)
        return dataset

    def to_ogip_files(
        self, folder: PathInput, overwrite: bool = False, format: str = "ogip", checksum: bool = False
    ) -> Path:
        """Write the four OGIP files into a folder, named after the dataset.

        Parameters
        ----------
        folder : str or Path
        overwrite : bool
        format : {"ogip", "xspec"}, see `write`
        checksum : bool, whether to put checksums into the headers

        Returns
        -------
        path : Path of the PHA file
        """
        path = make_path(folder) / self.to_dict()["filename"]
        self.write(path, overwrite=overwrite, format=format, checksum=checksum)
        return path

    @classmethod
    def from_ogip_files(cls, filename: PathInput, name: str | None = None) -> Self:
        """Read a PHA file and the files that it names.

        Parameters
        ----------
        filename : str or Path
        name : str, by default the one in the file
        """
        return cls.read(filename, format="ogip", name=name)

    def to_dict(self) -> dict[str, str]:
        """Return name, type and file name, as in a file of datasets."""
        return {"name": self.name, "type": self.tag, "filename": f"pha_obs{self.name.replace(' ', '_')}.fits"}
