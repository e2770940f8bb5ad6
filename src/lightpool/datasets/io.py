"""Readers and writers of datasets, under the module name of Gammapy.

They do what the methods ``read`` and ``write`` of datasets do, and give access to the single files of a spectrum.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import astropy.units as u

from lightpool.bridge import accepts_gammapy
from lightpool.data.metadata import CreatorMetaData
from lightpool.datasets.dataset import Dataset
from lightpool.datasets.formats import ogip_read
from lightpool.datasets.formats.ogip import ogip_filenames
from lightpool.datasets.formats.ogip_write import to_ogip_hdulists
from lightpool.datasets.spectrum_on_off import SpectrumDatasetOnOff
from lightpool.errors import FormatError
from lightpool.fits import HDUList, make_path, read_fits, write_fits
from lightpool.irf import EDispKernelMap
from lightpool.maps import Map
from lightpool.names import show_public
from lightpool.typing import PathInput

__all__ = ["DatasetReader", "DatasetWriter", "OGIPDatasetReader", "OGIPDatasetWriter"]

_KEYWORDS = {"respfile": "RESPFILE", "backfile": "BACKFILE", "ancrfile": "ANCRFILE"}


class DatasetReader(ABC):
    """Base of readers: `read` returns a dataset, and ``tag`` names the format."""

    tag: ClassVar[str | list[str]]

    @abstractmethod
    def read(self) -> Dataset:
        """Return the dataset."""


class DatasetWriter(ABC):
    """Base of writers: `write` writes a dataset, and ``tag`` names the formats."""

    tag: ClassVar[str | list[str]]

    @abstractmethod
    def write(self, dataset: Any) -> None:
        """Write a dataset."""


class OGIPDatasetWriter(DatasetWriter):
    """Write the OGIP files of a spectrum: PHA, ARF, and if it has them BKG and RMF.

    Parameters
    ----------
    filename : str or Path
        Of the PHA file; the others have ``_arf``, ``_bkg`` and ``_rmf`` before the suffix, in the same folder, which is
        created.
    format : {"ogip", "ogip-sherpa"}
        ``ogip-sherpa`` has the units keV and cm2, which Sherpa and XSPEC assume.
    overwrite : bool
    checksum : bool, whether to put checksums into the headers
    creation : CreatorMetaData, optional
        Written to the headers, with the time of writing; lightpool as the creator by default.
    """

    tag: ClassVar[str | list[str]] = ["ogip", "ogip-sherpa"]

    def __init__(
        self,
        filename: PathInput,
        format: str = "ogip",
        overwrite: bool = False,
        checksum: bool = False,
        creation: CreatorMetaData | None = None,
    ) -> None:
        if filename is None:
            raise ValueError("the filename of the PHA file is None, expected a str or a Path")
        self.filename = make_path(filename)
        self.filename.parent.mkdir(exist_ok=True, parents=True)
        self.format = format
        self.overwrite = overwrite
        self.checksum = checksum
        self.creation = CreatorMetaData() if creation is None else creation

    @staticmethod
    def get_filenames(filename: PathInput) -> dict[str, str]:
        """Return the names of the files that belong to a PHA file, by ``respfile``, ``backfile`` and ``ancrfile``."""
        names = ogip_filenames(filename)
        return {key: names[keyword] for key, keyword in _KEYWORDS.items()}

    @accepts_gammapy
    def write(self, dataset: SpectrumDatasetOnOff) -> None:
        """Write all files of a spectrum, the PHA file last.

        Parameters
        ----------
        dataset : SpectrumDatasetOnOff
        """
        files = self._files(dataset)
        for path in files:
            if path.exists() and not self.overwrite:
                raise FileExistsError(f"{path} is there already; pass overwrite=True to replace it")
        for path, hdulist in reversed(files.items()):
            self._write(hdulist, path)

    @accepts_gammapy
    def to_counts_hdulist(self, dataset: SpectrumDatasetOnOff, is_bkg: bool = False) -> HDUList:
        """Return the HDUs of the PHA file, or of the BKG file.

        Parameters
        ----------
        dataset : SpectrumDatasetOnOff
        is_bkg : bool
        """
        name = self.get_filenames(self.filename)["backfile"] if is_bkg else self.filename.name
        return self._one_of(dataset, name)

    def get_ogip_meta(self, dataset: SpectrumDatasetOnOff, is_bkg: bool = False) -> dict[str, Any]:
        """Return the keywords that describe the counts: their class, the livetime, and the other files.

        Parameters
        ----------
        dataset : SpectrumDatasetOnOff
        is_bkg : bool, whether the OFF counts are meant
        """
        header = self.to_counts_hdulist(dataset, is_bkg)["SPECTRUM"].header
        keys = ("HDUCLAS2", "HDUCLAS3", "HDUCLAS4", "EXPOSURE", "OBS_ID", "ANCRFILE", "BACKFILE", "RESPFILE")
        return {key: header[key] for key in keys if key in header}

    def write_pha(self, dataset: SpectrumDatasetOnOff, filename: PathInput) -> None:
        """Write the PHA file of a spectrum.

        Parameters
        ----------
        dataset : SpectrumDatasetOnOff
        filename : str or Path
        """
        self._write(self.to_counts_hdulist(dataset), make_path(filename))

    def write_bkg(self, dataset: SpectrumDatasetOnOff, filename: PathInput) -> None:
        """Write the OFF counts of a spectrum.

        Parameters
        ----------
        dataset : SpectrumDatasetOnOff
        filename : str or Path
        """
        self._write(self.to_counts_hdulist(dataset, is_bkg=True), make_path(filename))

    @accepts_gammapy
    def write_arf(self, dataset: SpectrumDatasetOnOff, filename: PathInput) -> None:
        """Write the effective area of a spectrum.

        Parameters
        ----------
        dataset : SpectrumDatasetOnOff
        filename : str or Path
        """
        self._write(self._one_of(dataset, self.get_filenames(self.filename)["ancrfile"]), make_path(filename))

    @accepts_gammapy
    def write_rmf(self, dataset: SpectrumDatasetOnOff, filename: PathInput) -> None:
        """Write the energy dispersion of a spectrum.

        Parameters
        ----------
        dataset : SpectrumDatasetOnOff
        filename : str or Path
        """
        self._write(self._one_of(dataset, self.get_filenames(self.filename)["respfile"]), make_path(filename))

    def _files(self, dataset: SpectrumDatasetOnOff) -> dict[Path, HDUList]:
        self.creation.update_time()
        files = to_ogip_hdulists(dataset, self.filename, self.format)
        for hdulist in files.values():
            for hdu in hdulist:
                hdu.header.update(self.creation.to_header())
        return {self.filename.parent / name: hdulist for name, hdulist in files.items()}

    def _one_of(self, dataset: SpectrumDatasetOnOff, name: str) -> HDUList:
        files = {path.name: hdulist for path, hdulist in self._files(dataset).items()}
        if name not in files:
            raise ValueError(
                f"dataset {dataset.name!r} has nothing for the file {name}: a BKG file needs counts_off, an RMF file "
                "edisp"
            )
        return files[name]

    def _write(self, hdulist: HDUList, path: Path) -> None:
        write_fits(hdulist, path, overwrite=self.overwrite, checksum=self.checksum)


class OGIPDatasetReader(DatasetReader):
    """Read a spectrum from a PHA file and the ARF, BKG and RMF files that it names.

    Parameters
    ----------
    filename : str or Path, of the PHA file
    checksum : bool, whether to verify the checksums in all files; one that is wrong is an error
    name : str, of the dataset; by default the OBS_ID of the file
    """

    tag: ClassVar[str | list[str]] = "ogip"

    def __init__(self, filename: PathInput, checksum: bool = False, name: str | None = None) -> None:
        if filename is None:
            raise ValueError("the filename of the PHA file is None, expected a str or a Path")
        self.filename = make_path(filename)
        self.checksum = checksum
        self.name = name

    def read(self) -> SpectrumDatasetOnOff:
        """Return the spectrum."""
        return SpectrumDatasetOnOff.read(self.filename, format="ogip", checksum=self.checksum, name=self.name)

    def get_valid_path(self, filename: PathInput) -> Path:
        """Return the path of a file as it is named, or if there is none, beside the PHA file.

        Parameters
        ----------
        filename : str or Path
        """
        if filename is None:
            raise ValueError("the filename is None, expected a str or a Path")
        path = make_path(filename)
        return path if path.exists() else self.filename.parent / path

    def get_filenames(self, pha_meta: Mapping[str, Any]) -> dict[str, Path]:
        """Return the paths of the files that a PHA file names, by ``arffile``, ``bkgfile`` and ``rmffile``.

        Parameters
        ----------
        pha_meta : mapping of keyword to value, of the PHA file
        """
        if "ANCRFILE" not in pha_meta:
            raise FormatError(f"{self.filename} has no keyword ANCRFILE, which names the file of the effective area")
        keys = {"arffile": "ANCRFILE", "bkgfile": "BACKFILE", "rmffile": "RESPFILE"}
        named = {key: str(pha_meta[keyword]).strip() for key, keyword in keys.items() if keyword in pha_meta}
        return {key: self.get_valid_path(name) for key, name in named.items() if name.lower() not in ("", "none")}

    @staticmethod
    def read_pha(filename: PathInput, checksum: bool = False) -> dict[str, Any]:
        """Return ``counts``, ``acceptance``, ``mask_safe`` and, if it is there, ``gti`` of a PHA file.

        Parameters
        ----------
        filename : str or Path
        checksum : bool, whether to verify the checksums
        """
        return ogip_read.read_counts(_checked(filename, checksum))

    @staticmethod
    def read_bkg(filename: PathInput, checksum: bool = False) -> dict[str, Map]:
        """Return ``counts_off`` and ``acceptance_off`` of a BKG file.

        Parameters
        ----------
        filename : str or Path
        checksum : bool, whether to verify the checksums
        """
        found = ogip_read.read_counts(_checked(filename, checksum))
        return {"counts_off": found["counts"], "acceptance_off": found["acceptance"]}

    @staticmethod
    def read_arf(filename: PathInput, livetime: u.Quantity, checksum: bool = False) -> Map:
        """Return the exposure: the effective area of an ARF file times a livetime.

        Parameters
        ----------
        filename : str or Path
        livetime : Quantity, time
        checksum : bool, whether to verify the checksums
        """
        return ogip_read.read_arf(_checked(filename, checksum), livetime)

    @staticmethod
    def read_rmf(filename: PathInput, exposure: Map, checksum: bool = False) -> EDispKernelMap:
        """Return the energy dispersion of an RMF file.

        Parameters
        ----------
        filename : str or Path
        exposure : RegionNDMap, by which a stack weights the dispersion
        checksum : bool, whether to verify the checksums
        """
        return ogip_read.read_rmf(_checked(filename, checksum), exposure)


def _checked(filename: PathInput, checksum: bool) -> Any:
    file = read_fits(filename)
    if checksum:
        file.verify_checksums()
    return file


show_public(__name__)
