"""Write the measurements of benchmarks/gpu.py as JSON and as a page of tables."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Results = dict[str, Any]


def write_results(results: Results, stem: Path) -> None:
    """Write ``stem``.json and ``stem``.md atomically."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    for suffix, text in ((".json", json.dumps(results, indent=1) + "\n"), (".md", markdown(results))):
        file = stem.with_name(stem.name + suffix)
        beside = file.with_name(file.name + ".part")
        beside.write_text(text)
        beside.replace(file)


def markdown(results: Results) -> str:
    """All tables for which there are measurements."""
    parts = [heading(results["machine"])] if "machine" in results else []
    for title, make in (
        ("main job", main_table),
        ("stages", stage_table),
        ("long job", long_table),
        ("copies", copy_table),
        ("reading", reading_table),
        ("Gammapy", gammapy_line),
        ("tests", test_table),
    ):
        if results.get(title):
            parts.append(make(results))
    if results["errors"]:
        last = (f"- {name}: `{text.strip().splitlines()[-1]}`" for name, text in results["errors"].items())
        parts.append("\n".join(["## Sections that failed", "", *last]))
    seconds = ", ".join(f"{name} {x:.0f}" for name, x in results["seconds"].items() if x >= 1)
    return "\n\n".join([*parts, f"Seconds: {seconds}."]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def heading(machine: Results) -> str:
    versions = ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
    lines = [
        f"# Devices, {machine['date']}",
        "",
        f"{machine['processor']}, {machine['processors']} processors, {machine['threads of libraries']} thread(s) in "
        f"each library; Python {machine['python']}, {versions}; commit {machine['commit'] or 'unknown'}.",
        "",
        f"GPU: {machine['gpu'] or 'yes'}." if machine["has_gpu"] else "There was no GPU: nothing here is about one.",
    ]
    return "\n".join(lines + (["", "A quick look: few repetitions."] if machine["quick"] else []))


def ms(seconds: float | None, digits: int = 1) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.{digits}f}"


def main_table(results: Results) -> str:
    jobs, rows = results["main job"], []
    base = next(iter(jobs.values()))["s a run"]["files read"]["median"]
    for device, job in jobs.items():
        read, there = job["s a run"]["files read"]["median"], job["s a run"]["files in memory"]["median"]
        worst = {name: x for name, x in job["differences"].items() if x}
        name = max(worst, key=lambda name: worst[name], default="")
        up, down = job["crossed a run"]["to the device"], job["crossed a run"]["to the host"]
        rows.append(
            [
                device,
                ms(read),
                f"{base / read:.2f}",
                ms(there),
                f"{up['arrays']:.1f}, {up['bytes'] / 1e3:.0f}",
                f"{down['arrays']:.1f}, {down['bytes'] / 1e3:.0f}",
                f"{worst[name]:.1e} ({name})" if name else "none",
                f"{job['first time, s a run']:.2f}",
            ]
        )
    head = [
        "device",
        "ms per run",
        "times as fast as the first",
        "ms per run, files in memory",
        "to the device: arrays, kB",
    ]
    head += ["to the host: arrays, kB", "largest difference", "first time, s a run"]
    return "## Main job: four runs on the Crab nebula, 250 x 250 x 11, 31 true energies, stacked\n\n" + table(
        head, rows
    )


def stage_table(results: Results) -> str:
    devices = results["stages"]
    names = [name for name, times in next(iter(devices.values()))["stages"].items() if times["host, s"]]
    head, rows = ["stage"], [[name] for name in names]
    for device, times in devices.items():
        head.append(f"{device}, host")
        on_gpu = times["device, s a run"] is not None
        head += [f"{device}, device"] if on_gpu else []
        for row, name in zip(rows, names, strict=True):
            stage = times["stages"][name]
            row.append(ms(stage["host, s"], 2) + (" w" if stage["waited"] else ""))
            if on_gpu:
                row.append(ms(stage["device, s"], 3))
    text = "## Stages, ms per run, files in memory\n\n" + table(head, rows)
    if any(times["device, s a run"] is not None for times in devices.values()):
        text += (
            "\n\nHost: until the call returns (w: it waited for the device). Device: how long the device worked on it, "
            "launched behind a kernel that does nothing, so that no gap is counted unless the host waited."
        )
    return f"{text}\n\n{floor_text(results)}".rstrip()


def floor_text(results: Results) -> str:
    """Bytes that must move, and at which fraction of the measured rate of copies the device moves them."""
    n_bytes, lines = results.get("bytes to move, a run"), []
    if n_bytes is None:
        return ""
    for device, times in results["stages"].items():
        rate = results.get("copies", {}).get(device, {}).get("on the device")
        seconds = times["device, s a run"] or sum(stage["host, s"] for stage in times["stages"].values())
        if rate:
            lines.append(f"{device} {ms(seconds, 2)} ms, {n_bytes / seconds / 1e9 / rate:.1%} of its rate of copies")
    return (
        f"Reading and writing the stack under a run once moves {n_bytes / 1e6:.0f} MB. All stages of a run: "
        f"{'; '.join(lines)}."
    )


def long_table(results: Results) -> str:
    rows, reading = [], results.get("reading", {})
    size = reading.get("MB a file, decompressed")
    for device, job in results["long job"].items():
        grown = ", ".join(f"{kind} {x:+.1f}" for kind, x in job["growth, MB in 1000 runs"].items())
        last = job["samples"][-1] if job["samples"] else {}
        held = ", ".join(f"{kind} {x:.0f}" for kind, x in last.items() if kind not in ("runs", "s"))
        rate = f"{size * job['runs/s']:.3g}" if size else ""
        rows.append([device, str(job["runs"]), f"{job['runs/s']:.1f}", rate, f"{job['counts']:.0f}", held, grown])
    head = ["device", "runs", "runs/s", "MB/s of tables", "counts", "MB held at the end", "growth, MB in 1000 runs"]
    return "## Long job: simulated runs of five minutes, the same maps\n\n" + table(head, rows)


def copy_table(results: Results) -> str:
    kinds = list(dict.fromkeys(kind for rates in results["copies"].values() for kind in rates))
    rows = [
        [device, *(f"{rates[kind]:.1f}" if kind in rates else "" for kind in kinds)]
        for device, rates in results["copies"].items()
    ]
    return "## Copies, GB/s\n\n" + table(["device", *kinds], rows)


def reading_table(results: Results) -> str:
    rows = [[name, f"{x:.4g}"] for name, x in results["reading"].items()]
    return "## Reading runs on the host, files in the page cache\n\n" + table(["what", "figure"], rows)


def gammapy_line(results: Results) -> str:
    job = results["Gammapy"]
    times = {package: min(seconds) for package, seconds in job["seconds_a_run"].items()}
    return (
        f"## Gammapy\n\nThe main job on the CPU, files read: Gammapy {ms(times['gammapy'], 0)} ms per run, lightpool "
        f"{ms(times['lightpool'], 0)} ms."
    )


def test_table(results: Results) -> str:
    rows, failures = [], []
    for place, run in results["tests"].items():
        counts = ", ".join(f"{n} {what}" for what, n in run["counts"].items())
        rows.append([f"tests/{place}", counts or "none", run["ended"], f"{run['s']:.0f}"])
        failures += [f"- {failure}" for failure in run["failures"]]
    text = "## Tests" + (" marked gpu" if results["machine"]["has_gpu"] else ", those of cpu and torch")
    text += "\n\n" + table(["where", "result", "ended", "s"], rows)
    return text + ("\n\n" + "\n".join(failures) if failures else "")
