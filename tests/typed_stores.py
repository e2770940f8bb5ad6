"""Stores of simulated runs whose files have responses for types of events, and for intervals of time."""

import shutil

import numpy as np
from astropy.io import fits

RESPONSES = ("EFF_AREA", "EDISP", "RPSF", "BKG")


def with_types(store, folder, sets, types, *, shared=(), n_interval=1):
    """Copy a store, with the responses of each set in the file of each run.

    Parameters
    ----------
    sets : dict of float by EVT_TYPE: effective area and background are those of the store times this number
    types : function of the number of events that returns EVENT_TYPE, integers
    shared : classes of responses without EVT_TYPE, that stay as they are
    n_interval : int, number of intervals; of the second the area is twice as large, and so on
    """
    shutil.copytree(store, folder)
    for path in sorted(folder.rglob("*.fits*")):
        with fits.open(path) as hdus:
            if "EVENTS" not in hdus:
                continue
            hdus = fits.HDUList([hdu.copy() for hdu in hdus])
        _add_types(hdus, types)
        start, stop = (hdus["EVENTS"].header[key] for key in ("TSTART", "TSTOP"))
        edges = np.linspace(start, stop, n_interval + 1)
        more = []
        for hdu in list(hdus):
            kind = hdu.header.get("HDUCLAS2")
            if kind not in RESPONSES or kind in shared:
                continue
            for number, (bits, factor) in enumerate(sets.items()):
                for interval in range(n_interval):
                    made = hdu if (number, interval) == (0, 0) else hdu.copy()
                    column = {"EFF_AREA": "EFFAREA", "BKG": "BKG"}.get(kind)
                    if made is not hdu:
                        made.name = f"{hdu.name} {number} {interval}"
                        more.append(made)
                    if column is not None:
                        original = hdu.data[column] / next(iter(sets.values()))
                        made.data[column] = original * factor * (1 + interval)
                    made.header["EVT_TYPE"] = bits
                    if n_interval > 1:
                        made.header["TSTART"], made.header["TSTOP"] = edges[interval], edges[interval + 1]
                        for key in ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF"):
                            made.header[key] = hdus["EVENTS"].header[key]
        hdus.extend(more)
        hdus.writeto(path, overwrite=True)
    return folder


def _add_types(hdus, types):
    events = hdus["EVENTS"]
    values = np.asarray(types(len(events.data)), dtype=np.int64)
    field = ((values[:, None] >> np.arange(31, -1, -1)) & 1).astype(bool)
    known = [column for column in events.columns if column.name != "EVENT_TYPE"]
    column = fits.Column("EVENT_TYPE", "32X", array=field)
    new = fits.BinTableHDU.from_columns(fits.ColDefs([*known, column]), header=events.header)
    for key in list(new.header):
        if key.startswith("TFORM") and new.header[key] != "32X" and new.header[f"TTYPE{key[5:]}"] == "EVENT_TYPE":
            new.header[key] = "32X"
    hdus[hdus.index_of("EVENTS")] = new
