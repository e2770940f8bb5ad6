"""The command for a first look at a source."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lightpool.cli.batch import carry_out
from lightpool.cli.options import AnyPlace, LocalPath, QuantityWithUnit, refuse_together, run_numbers
from lightpool.cli.output import say

if TYPE_CHECKING:
    from astropy.coordinates import Angle
    from astropy.units import Quantity

    from lightpool.fits import Place

__all__ = ["quicklook"]


def _complete_source(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names in the built-in list, with underscores for spaces, which a shell would have to quote."""
    from lightpool.config.sources import SOURCE_NAMES, name_key

    return [name.replace(" ", "_") for name in SOURCE_NAMES if name_key(name).startswith(name_key(incomplete))]


_DEGREES, _TEV = QuantityWithUnit("deg"), QuantityWithUnit("TeV")


@click.command()
@click.argument("store", type=AnyPlace(file_okay=False))
@click.option(
    "-s",
    "--source",
    metavar="NAME|POSITION",
    shell_complete=_complete_source,
    help="Name, or coordinates: '83.63 22.01', '05:34:31.9 +22:00:52', 'galactic 184.56 -5.78', 'fk5 ...', 'fk4 ...'. "
    "[default: the target of the runs, if there is one]",
)
@click.option("--runs", help="Only these: observation numbers, such as 1,2,5, or a file with them.")
@click.option("-o", "--output", type=LocalPath(file_okay=False), help="Folder. [default: quicklook-SOURCE]")
@click.option("--width", type=_DEGREES, help="Width of the map. [default: twice --max-offset]")
@click.option("--energy-min", type=_TEV, help="Lowest energy. [default: the lowest threshold of the runs]")
@click.option("--energy-max", type=_TEV, help="Highest energy. [default: that of the responses, at most 100 TeV]")
@click.option("--radius", type=_DEGREES, help="Radius of the ON region. [default: 0.1 deg]")
@click.option(
    "--max-offset", type=_DEGREES, help="Largest offset from the pointing, of source and events. [default: 2 deg]"
)
@click.option(
    "--exclude",
    type=LocalPath(dir_okay=False),
    multiple=True,
    help="File of regions (DS9), of a mask or of a catalogue that the background leaves out; may be repeated.",
)
@click.option("-n", "--workers", type=click.IntRange(min=1), help="Number of processes. [default: 1]")
@click.option("--device", help="Device of the maps: cpu, cuda, torch. [default: cpu]")
@click.option("--resume", is_flag=True, help="Continue an interrupted quick look in the folder.")
@click.option("--restart", is_flag=True, help="Discard a reduction in the folder and start again.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step.")
def quicklook(
    store: "Place",
    source: str | None,
    runs: str | None,
    output: Path | None,
    width: "Angle | None",
    energy_min: "Quantity | None",
    energy_max: "Quantity | None",
    radius: "Angle | None",
    max_offset: "Angle | None",
    exclude: Sequence[Path],
    workers: int | None,
    device: str | None,
    resume: bool,
    restart: bool,
    verbose: bool,
) -> None:
    """Reduce the runs near a source to a map and a spectrum, without a settings file.

    STORE is the folder or the address of a data store. Runs, energies and background are chosen from the data; the
    choices are printed, and written as a settings file for `lightpool reduce`. The folder also has a report, pictures
    of the significance, theta squared and spectrum, and the datasets. Point-like responses give a spectrum only.

    Exit codes are those of `lightpool reduce`.
    """
    from lightpool.cli.console import ExitCode, ended_by_errors

    advice = "one continues from completed chunks, the other discards them"
    refuse_together("--resume", "--restart", (resume, restart), advice)
    with ended_by_errors(verbose=verbose):
        from lightpool.data import DataStore
        from lightpool.quicklook import Wishes, choose_settings, refuse_to_replace, show_results
        from lightpool.utils import pbar
        from lightpool.utils.optional_packages import require_package

        for package in ("jinja2", "matplotlib"):
            require_package(package, extra="report", purpose="a report")
        with pbar.busy("reading the index"):
            opened = DataStore.from_dir(store)
        wishes = Wishes(
            source=source,
            runs=None if runs is None else run_numbers(opened, runs),
            output=output,
            width=width,
            energy_min=energy_min,
            energy_max=energy_max,
            radius=radius,
            max_offset=max_offset,
            exclude=exclude,
            device=device,
        )
        choices = choose_settings(opened, store, wishes)
        for label, text in choices.notes:
            say(f"{label:<10}{text}")
        say()
        if not restart:
            refuse_to_replace(choices.settings)
        result = carry_out(choices.settings, resume=resume, restart=restart, workers=workers, cluster=None)
        say(show_results(choices, result))
    sys.exit(ExitCode.SOME_FAILED if result.n_failed else ExitCode.OK)
