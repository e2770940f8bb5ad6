"""Provenance of a result: HDUs in its file, and a W3C PROV-JSON document next to it.

Format of the document: https://www.w3.org/submissions/prov-json/
"""

import json
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.batch.storage.code_version import package_versions
from lightpool.batch.storage.files import InputFile
from lightpool.batch.storage.outcomes import Outcome, outcome_table
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.kinds import settings_from_dict
from lightpool.errors import ConfigError, FormatError
from lightpool.fits import BinTableHDU, read_fits, table_to_hdu
from lightpool.utils.text import number_of

__all__ = ["Provenance", "prov_document", "read_provenance"]

_INPUT_COLUMNS = ["path", "size", "mtime_ns", "sha256"]
_HDUS = {"settings": "PROVENANCE", "outcomes": "OUTCOMES", "inputs": "INPUTS"}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Provenance of a result.

    Attributes
    ----------
    settings : BatchSettings or None
        None if files were added up.
    outcomes : tuple of Outcome
        Of all observations.
    inputs : tuple of InputFile
    versions : dict of str to str
        Versions of lightpool, of the modules of own makers, and of the dependencies.
    begun, ended : str, UTC
    """

    settings: BatchSettings | None
    outcomes: tuple[Outcome, ...]
    inputs: tuple[InputFile, ...]
    versions: dict[str, str]
    begun: str
    ended: str

    @classmethod
    def now(
        cls,
        settings: BatchSettings | None,
        outcomes: Iterable[Outcome],
        inputs: Iterable[InputFile],
        begun: datetime,
        version: str,
    ) -> "Provenance":
        """Return the provenance of a result that is written now.

        Parameters
        ----------
        settings : BatchSettings or None
        outcomes : iterable of Outcome
        inputs : iterable of InputFile
            Duplicates are dropped.
        begun : datetime, UTC
            Start of the reduction.
        version : str
            Of the code, see `version_for`.
        """
        version, *own = version.split(" ")
        return cls(
            settings=settings,
            outcomes=tuple(outcomes),
            inputs=tuple(
                sorted({(file.path, file.sha256): file for file in inputs}.values(), key=lambda file: file.path)
            ),
            versions={"lightpool": version, **dict(each.split("=", 1) for each in own), **_other_versions()},
            begun=begun.isoformat(timespec="seconds"),
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def to_repeat(self) -> BatchSettings:
        """Return settings that select the same observations, whatever has been added to the data store since.

        Raises
        ------
        ConfigError
            If the result is a sum of files, which has no settings.
        """
        if self.settings is None:
            names = ", ".join(file.path for file in self.inputs)
            raise ConfigError(
                f"a sum of files has no settings to repeat; repeat the reductions of the files, or stack them again: "
                f"{names}"
            )
        data = self.settings.to_dict()
        kept = ("datastore", "hdu_index", "obs_index", "required_irf")
        asked = {key: value for key, value in data["observations"].items() if key in kept}
        data["observations"] = asked | {"obs_ids": [int(outcome.obs_id) for outcome in self.outcomes]}
        return type(self.settings).from_dict(data)

    def to_hdus(self) -> list[BinTableHDU]:
        """Return the table HDUs that record it: ``PROVENANCE`` (keys and values), ``OUTCOMES`` and ``INPUTS``."""
        facts = {} if self.settings is None else {"settings": self.settings.to_json()}
        facts |= {"begun": self.begun, "ended": self.ended}
        facts |= {f"version {name}": version for name, version in self.versions.items()}
        rows = [[getattr(file, name) for name in _INPUT_COLUMNS] for file in self.inputs]
        inputs = Table(rows=rows or None, names=_INPUT_COLUMNS, dtype=[str, np.int64, np.int64, str])
        return [
            table_to_hdu(Table({"KEY": list(facts), "VALUE": list(facts.values())}), name=_HDUS["settings"]),
            table_to_hdu(_as_ascii(outcome_table(self.outcomes)), name=_HDUS["outcomes"]),
            table_to_hdu(_as_ascii(inputs), name=_HDUS["inputs"]),
        ]

    def __str__(self) -> str:
        failed = [outcome for outcome in self.outcomes if outcome.status == "failed"]
        lines = [f"Made by lightpool {self.versions.get('lightpool', '')} from {self.begun} to {self.ended}"]
        lines += [f"  {name} {version}" for name, version in self.versions.items() if name != "lightpool"]
        lines += ["", f"{number_of(len(self.outcomes), 'observation')}, of which {len(failed)} failed"]
        lines += [f"  {each.obs_id}: {each.step} failed with {each.error}" for each in failed]
        lines += ["", f"{number_of(len(self.inputs), 'input file')}"]
        lines += [f"  {file.sha256[:12]}  {file.path}" for file in self.inputs]
        lines += ["", *(["Files added up"] if self.settings is None else ["Settings", "", self.settings.to_yaml()])]
        return "\n".join(lines)


def read_provenance(path: Path) -> Provenance:
    """Read the provenance in a result file.

    Raises
    ------
    FormatError
        If the file contains none.
    """
    file = read_fits(path)
    if missing := [name for name in _HDUS.values() if name not in file.names]:
        raise FormatError(
            f"{path} has no HDU {missing[0]}: the file was not made by `lightpool reduce` or `lightpool stack`, or was "
            "rewritten by another program"
        )
    tables = {kind: file.table(name).columns for kind, name in _HDUS.items()}
    facts = dict(zip(_texts(tables["settings"]["KEY"]), _texts(tables["settings"]["VALUE"]), strict=True))
    names = list(tables["outcomes"])
    rows = zip(*(_texts(tables["outcomes"][name]) for name in names), strict=True)
    return Provenance(
        settings=settings_from_dict(json.loads(facts["settings"])) if "settings" in facts else None,
        outcomes=tuple(Outcome(**dict(zip(map(str.lower, names), row, strict=True))) for row in rows),
        inputs=tuple(
            InputFile(*row) for row in zip(*(_texts(tables["inputs"][name]) for name in _INPUT_COLUMNS), strict=True)
        ),
        versions={key.removeprefix("version "): value for key, value in facts.items() if key.startswith("version ")},
        begun=facts["begun"],
        ended=facts["ended"],
    )


def prov_document(provenance: Provenance, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the PROV-JSON document of a reduction, or of a sum of files.

    Parameters
    ----------
    provenance : Provenance
    files : mapping of str to str
        Names of the result files, with their SHA-256.
    """
    settings = provenance.settings
    activity = "lp:stack" if settings is None else "lp:reduction"
    inputs = {
        f"lp:input-{file.sha256[:16]}": {"prov:label": file.path, "lp:sha256": file.sha256}
        for file in provenance.inputs
    }
    results = {f"lp:result-{name}": {"prov:label": name, "lp:sha256": sha256} for name, sha256 in files.items()}
    outcomes = dict(_outcome_entities(provenance.outcomes))
    about = {"prov:startTime": provenance.begun, "prov:endTime": provenance.ended}
    plan, by = {}, {"prov:activity": activity, "prov:agent": "lp:lightpool"}
    if settings is not None:
        about["lp:device"] = settings.run.device
        plan = {"lp:settings": {"prov:type": _name("prov:Plan"), "prov:value": settings.to_json()}}
        by["prov:plan"] = "lp:settings"
    versions = {f"lp:{name}": version for name, version in provenance.versions.items()}
    made = [*results, *outcomes] if plan else list(results)  # the outcomes in a sum were generated by others
    return {
        "prefix": {"lp": "urn:lightpool:", "prov": "http://www.w3.org/ns/prov#"},
        "entity": inputs | results | outcomes | plan,
        "activity": {activity: about},
        "agent": {"lp:lightpool": {"prov:type": _name("prov:SoftwareAgent"), **versions}},
        # PROV-JSON: names that begin with _: are those of relations that nothing refers to.
        "used": {f"_:used{i}": {"prov:activity": activity, "prov:entity": key} for i, key in enumerate(inputs)},
        "wasGeneratedBy": {f"_:made{i}": {"prov:entity": key, "prov:activity": activity} for i, key in enumerate(made)},
        "wasAssociatedWith": {"_:by0": by},
    }


def _outcome_entities(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and entity of each outcome; the second and further outcomes of an observation have numbers."""
    n_seen: Counter[int] = Counter()
    for outcome in outcomes:
        n_seen[outcome.obs_id] += 1
        again = "" if n_seen[outcome.obs_id] == 1 else f"-{n_seen[outcome.obs_id]}"
        data = {f"lp:{key}": value for key, value in outcome.header_values().items() if value != ""}
        yield f"lp:observation-{outcome.obs_id}{again}", data


def _name(text: str) -> dict[str, str]:
    """Return a qualified name as a value, where plain text would be a string."""
    return {"$": text, "type": "prov:QUALIFIED_NAME"}


def _other_versions() -> dict[str, str]:
    return {"python": platform.python_version(), "system": platform.platform(), **package_versions()}


def _texts(values: NDArray[Any]) -> list[Any]:
    """Return the plain values of a column; FITS pads texts with blanks."""
    return [value.strip() if isinstance(value, str) else value for value in values.tolist()]


def _as_ascii(table: Table) -> Table:
    """Return the table as FITS can store it: non-ASCII characters are escaped, and no text is empty."""
    for name in table.colnames:
        if table[name].dtype.kind == "U":
            table[name] = [value.encode("ascii", "backslashreplace").decode() or " " for value in table[name]]
    return table
