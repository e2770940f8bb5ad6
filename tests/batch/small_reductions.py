"""Settings of small reductions, and what two folders of results have to share."""

import hashlib
from pathlib import Path

import numpy as np
from astropy.io import fits

MAP = {
    "name": "crab",
    "kind": "map",
    "center": {"lon": "83.633 deg", "lat": "22.0145 deg"},
    "width": "2 deg",
    "binsz": "0.1 deg",
    "binsz_irf": "0.5 deg",
    "rad": {"max": "0.4 deg", "nbin": 8},
    "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 3},
    "makers": [
        {"type": "MapDatasetMaker"},
        {"type": "SafeMaskMaker", "methods": ["offset-max"], "offset_max": "1.5 deg"},
        {"type": "FoVBackgroundMaker"},
    ],
}
SPECTRUM = {
    "name": "spectrum",
    "kind": "spectrum",
    "region": {"lon": "83.633 deg", "lat": "22.0145 deg", "radius": "0.2 deg"},
    "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 3},
    "makers": [
        {"type": "SpectrumDatasetMaker", "selection": ["counts", "exposure", "edisp"]},
        {"type": "ReflectedRegionsBackgroundMaker"},
    ],
}


def bits_of(folder: Path) -> dict[str, str]:
    """Hash of the data of each image and table of the results; when they were made is told by the headers alone."""
    found = {}
    for path in sorted(folder.glob("*.fits*")):
        with fits.open(path) as hdus:
            for hdu in hdus:
                if hdu.data is not None and hdu.name not in ("PROVENANCE", "OUTCOMES", "INPUTS"):
                    data = np.ascontiguousarray(hdu.data)
                    found[f"{path.name}[{hdu.name}]"] = hashlib.sha256(data.tobytes()).hexdigest()
    return found
