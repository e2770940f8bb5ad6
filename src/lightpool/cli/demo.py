"""Commands to get started: what is installed, a demonstration, simulated runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import lightpool
from lightpool.cli.options import LocalPath
from lightpool.cli.output import say

if TYPE_CHECKING:
    from lightpool.typing import JSONValue

__all__ = ["demo", "info", "simulate"]

_DEVICE_HELP = "Device of the maps: cpu, cuda, torch, torch:cuda. [default: LIGHTPOOL_DEVICE or cpu]"


@click.command()
@click.argument("file", type=LocalPath(dir_okay=False), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def info(file: Path | None, as_json: bool) -> None:
    """Show devices, memory and versions, the available features, and what to install for the others.

    With a FITS FILE, describe its contents: counts, livetime, observations and geometry of datasets, the provenance of
    results, and also maps, runs, responses, index files and the files of a spectrum.
    """
    import json

    from lightpool.cli.console import ended_by_errors

    if file is not None:
        with ended_by_errors():
            from lightpool.batch.describe import describe_file
            from lightpool.batch.storage.files import sha256_of
            from lightpool.batch.storage.provenance import prov_document

            found = describe_file(file)
            document: dict[str, JSONValue] = {"file": found.to_dict()}
            if found.provenance is not None:
                document |= prov_document(found.provenance, {file.name: sha256_of(file)})
            say(json.dumps(document, indent=1, default=str) if as_json else str(found))
        return
    from lightpool.arrays.installation import describe_installation

    installation = describe_installation()
    say(json.dumps(installation.to_dict(), indent=2) if as_json else str(installation))


@click.command()
@click.option("-o", "--output", type=LocalPath(), default=Path("lightpool-demo"), show_default=True)
@click.option("--device", help=_DEVICE_HELP)
@click.option("--seed", type=int, default=0, show_default=True)
def demo(output: Path, device: str | None, seed: int) -> None:
    """Simulate four runs of a Crab-like source, reduce them, and plot the maps."""
    from lightpool.cli.console import ended_by_errors
    from lightpool.errors import DeviceError
    from lightpool.simulate.demo import run_demo
    from lightpool.utils.optional_packages import command_line, install_command

    with ended_by_errors():
        try:
            lightpool.set_default_device(device)
            result = run_demo(output, seed=seed)
        except DeviceError as error:
            raise click.BadParameter(str(error), param_hint="--device") from error
    say(result.dataset)
    say(f"Simulated runs (GADF) : {result.store}")
    say(f"Stacked dataset       : {result.file}")
    if result.plot is None:
        say(f"No plot: matplotlib is not installed. Run {install_command('plot')}, then the demo again.")
    else:
        say(f"Plot                  : {result.plot}")
    say(
        "\nNext:\n"
        f"  from lightpool.data import DataStore; print(DataStore.from_dir('{result.store}').obs_table)\n"
        f"  from lightpool.datasets import MapDataset; MapDataset.read('{result.file}').peek()\n"
        f"  from gammapy.datasets import MapDataset   # Gammapy 2.1 reads the same file\n"
        f"  {command_line()} simulate FOLDER --n-obs 100       # as many runs as you like"
    )


@click.command()
@click.argument("folder", type=LocalPath())
@click.option("-n", "--n-obs", type=click.IntRange(min=1), default=4, show_default=True, help="Number of runs.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same runs.")
@click.option(
    "--ontime", type=click.FloatRange(min=0, min_open=True), default=1680.0, show_default=True, help="Seconds."
)
@click.option("--wobble-offset", type=float, default=0.5, show_default=True, help="Degrees from source to pointing.")
@click.option(
    "--flux", type=click.FloatRange(min=0), default=1.0, show_default=True, help="In units of the Crab nebula."
)
@click.option("--point-like", is_flag=True, help="With responses for the events inside RAD_MAX.")
@click.option("--overwrite", is_flag=True, help="Replace a data store in the folder.")
def simulate(
    folder: Path,
    n_obs: int,
    seed: int,
    ontime: float,
    wobble_offset: float,
    flux: float,
    point_like: bool,
    overwrite: bool,
) -> None:
    """Write a GADF data store of simulated wobble runs to FOLDER."""
    from dataclasses import replace

    from lightpool.cli.console import ended_by_errors
    from lightpool.simulate import PointSource, simulate_store
    from lightpool.utils.text import number_of

    source = PointSource()
    source = replace(source, norm=flux * source.norm)
    with ended_by_errors():
        simulate_store(
            folder,
            n_obs,
            source=source,
            seed=seed,
            ontime=ontime,
            wobble_offset=wobble_offset,
            point_like=point_like,
            overwrite=overwrite,
        )
    say(f"{number_of(n_obs, 'run')} in {folder}; lightpool.data.DataStore.from_dir('{folder}') opens them")
