"""Commands for many observations: settings, plan, reduction, stack, report."""

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lightpool.cli.options import LocalPath, refuse_together
from lightpool.cli.output import say

if TYPE_CHECKING:
    from lightpool.batch.engine import BatchResult
    from lightpool.batch.execution.executors import Executor
    from lightpool.cli.console import ExitCode
    from lightpool.config.batch_settings import BatchSettings

__all__ = [
    "batch_options",
    "carry_out",
    "check_batch_options",
    "config",
    "plan",
    "reduce",
    "report",
    "run_to_the_end",
    "stack",
]

log = logging.getLogger("lightpool")

F = TypeVar("F", bound=Callable[..., Any])

_FILE = LocalPath(dir_okay=False)
_SETTINGS = click.argument("settings_file", metavar="CONFIG", type=_FILE)


@click.command()
@click.option("-o", "--output", type=_FILE, help="Write to this file instead of the terminal.")
@click.option("--background", is_flag=True, help="For `lightpool background` instead of `lightpool reduce`.")
@click.option("--schema", is_flag=True, help="Write the JSON schema of settings files instead, for editors.")
def config(output: Path | None, background: bool, schema: bool) -> None:
    """Write a template of a settings file with all keys and their defaults."""
    import json
    from importlib import resources

    from lightpool.cli.console import ended_by_errors
    from lightpool.config.background import BackgroundSettings
    from lightpool.config.settings import Settings
    from lightpool.utils.optional_packages import command_line

    if schema:
        kind = BackgroundSettings if background else Settings
        text = json.dumps(kind.model_json_schema(), indent=2) + "\n"
    else:
        name = "background.yaml" if background else "template.yaml"
        text = resources.files("lightpool.config").joinpath(name).read_text(encoding="utf-8")
    with ended_by_errors():
        if output is None:
            say(text, nl=False)
        elif output.exists():
            raise FileExistsError(f"{output} exists; choose another name")
        else:
            output.write_text(text, encoding="utf-8")
            say(f"Wrote {output}. Edit it, then run: {command_line()} plan {output}")


@click.command()
@_SETTINGS
def plan(settings_file: Path) -> None:
    """Show what `reduce` or `background` would do, without opening any data file."""
    from lightpool.cli.console import ended_by_errors

    with ended_by_errors():
        from lightpool.batch import make_plan
        from lightpool.config.kinds import read_settings
        from lightpool.utils import pbar

        with pbar.busy("reading the index"):
            found = make_plan(read_settings(settings_file))
        say(found)


_BATCH_OPTIONS = (
    click.option("--resume", is_flag=True, help="Continue, reusing completed chunks; new observations are added."),
    click.option("--restart", is_flag=True, help="Discard completed chunks and start again."),
    click.option(
        "-n",
        "--workers",
        type=click.IntRange(min=1),
        help="Number of processes. [default: 1, or one per core and up to 8 per GPU]",
    ),
    click.option("--cluster", help="Dask cluster: tcp://HOST:PORT, local:N, slurm:N or cuda."),
    click.option("--device", help="Override the device in the settings: cpu, cuda, torch."),
    click.option(
        "--on-error", type=click.Choice(["raise", "skip", "retry"]), help="Override on_error in the settings."
    ),
    click.option("-o", "--output", type=LocalPath(file_okay=False), help="Override the folder of the results."),
    click.option("--log-file", type=_FILE, help="Also write all messages to this file."),
    click.option("-v", "--verbose", is_flag=True, help="Show every step."),
)


def batch_options(command: F) -> F:
    """Add the options of commands that carry out a batch."""
    for option in reversed(_BATCH_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("settings_file", metavar="[CONFIG]", type=_FILE, required=False)
@click.option("--from", "result_file", type=_FILE, help="Repeat the reduction that made this result, without CONFIG.")
@batch_options
def reduce(
    settings_file: Path | None,
    result_file: Path | None,
    resume: bool,
    restart: bool,
    log_file: Path | None,
    verbose: bool,
    workers: int | None,
    cluster: str | None,
    device: str | None,
    on_error: str | None,
    output: Path | None,
) -> None:
    """Reduce the observations of a settings file.

    Exit codes: 0 success; 1 stopped by an error; 2 invalid settings, or the folder contains another
    reduction; 3 finished, but some observations failed and were omitted; 5 another reduction is running
    in the folder; 6 an input file changed during the reduction; 130 interrupted. After 1, 6 and 130,
    --resume continues.
    """
    from lightpool.cli.console import ended_by_errors

    check_batch_options(settings_file, resume, restart, workers, cluster, log_file)
    with ended_by_errors(log_file, verbose=verbose):
        from lightpool.batch.storage.files import changed_files
        from lightpool.batch.storage.provenance import read_provenance
        from lightpool.config import Settings
        from lightpool.errors import ConfigError

        if settings_file is not None and result_file is None:
            settings = Settings.read(settings_file)
        elif result_file is not None and settings_file is None:
            provenance = read_provenance(result_file)
            repeated = provenance.to_repeat()
            assert isinstance(repeated, Settings)  # only stacks record how they were made
            settings = repeated
            if changed := changed_files(provenance.inputs):
                log.warning("files have changed since %s was made: %s", result_file, ", ".join(changed))
        else:
            raise ConfigError("give either a settings file or --from FILE")
        settings = settings.with_options(device=device, on_error=on_error, folder=output)
        code = run_to_the_end(settings, resume=resume, restart=restart, workers=workers, cluster=cluster)
    sys.exit(code)


def run_to_the_end(
    settings: "BatchSettings", *, resume: bool, restart: bool, workers: int | None, cluster: str | None
) -> "ExitCode":
    """Plan a batch, carry it out, and show the files of its results.

    Parameters
    ----------
    settings : BatchSettings
    resume, restart, workers, cluster
        Options of the command.
    """
    from lightpool.cli.console import ExitCode

    result = carry_out(settings, resume=resume, restart=restart, workers=workers, cluster=cluster)
    for file in result.files:
        say(file)
    return ExitCode.SOME_FAILED if result.n_failed else ExitCode.OK


def carry_out(
    settings: "BatchSettings", *, resume: bool, restart: bool, workers: int | None, cluster: str | None
) -> "BatchResult":
    """Plan a batch and carry it out, with a bar of its progress.

    Parameters
    ----------
    settings, resume, restart, workers, cluster : see `run_to_the_end`
    """
    from lightpool.batch import make_plan, plan_to_resume, run_batch
    from lightpool.cli.console import Progress

    batch = plan_to_resume(settings) if resume else make_plan(settings)
    executors = _executor(cluster, workers, settings.run.device)
    stopped = _ends_cleanly_by_sigterm()
    with stopped, _hint_to_resume(), executors as executor, Progress(len(batch.obs_ids)) as progress:
        return run_batch(batch, executor, resume=resume, restart=restart, progress=progress)


def check_batch_options(
    settings_file: Path | None,
    resume: bool,
    restart: bool,
    workers: int | None,
    cluster: str | None,
    log_file: Path | None,
) -> None:
    """End the command as wrong usage if options contradict each other.

    Parameters
    ----------
    settings_file, resume, restart, workers, cluster, log_file
        Arguments of the command.
    """
    advice = "one continues from completed chunks, the other discards them"
    refuse_together("--resume", "--restart", (resume, restart), advice)
    advice = "one starts processes here, the other uses those of a Dask cluster"
    refuse_together("--workers", "--cluster", (workers, cluster), advice)
    if log_file is not None and settings_file is not None and _are_same(log_file, settings_file):
        raise click.UsageError(f"--log-file {log_file} is the settings file; choose another file.")


def _are_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


@contextmanager
def _ends_cleanly_by_sigterm() -> Iterator[None]:
    """Make SIGTERM, which batch systems send at a time limit, do what Ctrl-C does: workers and jobs are stopped."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _hint_to_resume() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say("Completed chunks are saved; use --resume to continue.", err=True)
        raise


@contextmanager
def _executor(cluster: str | None, n_worker: int | None, device: str) -> "Iterator[Executor]":
    from lightpool.arrays.devices.gpus import processes_for, visible_gpus
    from lightpool.batch.execution.executors import ProcessExecutor, SerialExecutor

    if cluster is not None:
        from lightpool.batch.execution.dask_cluster import dask_cluster

        with dask_cluster(cluster) as executor:
            yield executor
    else:
        gpus = visible_gpus(device)
        if not gpus:
            _require(device)
        n_worker = n_worker or processes_for(gpus)
        yield ProcessExecutor(n_worker, gpus) if n_worker > 1 else SerialExecutor()


def _require(device: str) -> None:
    """Check that a device is available before anything is done."""
    from lightpool.arrays import find_device
    from lightpool.errors import ConfigError, DeviceError

    try:
        find_device(device)
    except DeviceError as error:
        raise ConfigError(f"run.device: {error}") from error


@click.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE, help="File of the stack.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--allow-duplicates", is_flag=True, help="Allow the same observation in several files.")
def stack(files: tuple[Path, ...], output: Path, overwrite: bool, allow_duplicates: bool) -> None:
    """Stack datasets of the same geometry, such as those of several nights.

    Maps, ring backgrounds and spectra are recognised by their contents, and the stack is written in the format of the
    first file. For a spectrum, give the PHA file; its other files may be among FILES. An observation in two files is
    an error, because its data would be counted twice.
    """
    from lightpool.cli.console import ended_by_errors

    with ended_by_errors():
        from lightpool.batch.stack_files import stack_files

        say(stack_files(files, output, overwrite=overwrite, allow_duplicates=allow_duplicates))


@click.command()
@click.argument("folder", type=LocalPath(file_okay=False))
@click.option("-o", "--output", type=_FILE, help="File of the page. [default: FOLDER/report.html]")
@click.option("--max-pictures", type=click.IntRange(min=0), default=40, show_default=True, help="Stacks with plots.")
@click.option("--pictures", type=LocalPath(file_okay=False), help="Also write the plots to this folder, as PNG.")
def report(folder: Path, output: Path | None, max_pictures: int, pictures: Path | None) -> None:
    """Write an HTML report of the reduction in FOLDER: settings, results and failed observations."""
    from lightpool.cli.console import ended_by_errors

    with ended_by_errors():
        from lightpool.report import write_report

        say(write_report(folder, output, max_pictures=max_pictures, pictures=pictures))
