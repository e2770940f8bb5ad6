"""Commands for many observations: settings, plan, reduction, stack."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lightpool.cli.options import LocalPath, refuse_together
from lightpool.cli.output import say

__all__ = ["config", "plan", "reduce", "report", "stack"]

log = logging.getLogger("lightpool")

_FILE = LocalPath(dir_okay=False)
_SETTINGS = click.argument("settings_file", metavar="CONFIG", type=_FILE)


@click.command()
@click.option("-o", "--output", type=_FILE, help="Write to this file; to the terminal by default.")
@click.option("--schema", is_flag=True, help="The JSON schema of settings files instead, for editors.")
def config(output: Path | None, schema: bool) -> None:
    """Write a template of a settings file, with all keys and their defaults."""
    import json
    from importlib import resources

    from lightpool.cli.console import ended_by_errors
    from lightpool.config import Settings
    from lightpool.utils.optional_packages import command_line

    if schema:
        text = json.dumps(Settings.model_json_schema(), indent=2) + "\n"
    else:
        text = resources.files("lightpool.config").joinpath("template.yaml").read_text(encoding="utf-8")
    with ended_by_errors():
        if output is None:
            say(text, nl=False)
        elif output.exists():
            raise FileExistsError(f"{output} is there already; choose another name")
        else:
            output.write_text(text, encoding="utf-8")
            say(f"{output} is written; edit it, then: {command_line()} plan {output}")


@click.command()
@_SETTINGS
def plan(settings_file: Path) -> None:
    """Show what `reduce` would do; no data file is opened."""
    from lightpool.cli.console import ended_by_errors

    with ended_by_errors():
        from lightpool.batch import make_plan
        from lightpool.config import Settings
        from lightpool.utils import pbar

        with pbar.busy("reading the index"):
            found = make_plan(Settings.read(settings_file))
        say(found)


@click.command()
@click.argument("settings_file", metavar="[CONFIG]", type=_FILE, required=False)
@click.option("--from", "result_file", type=_FILE, help="Repeat what made this file of results, instead of CONFIG.")
@click.option("--resume", is_flag=True, help="Go on from what is done; new observations are added.")
@click.option("--restart", is_flag=True, help="Forget what is done and begin anew.")
@click.option("-n", "--workers", type=click.IntRange(min=1), help="Processes. [default: 1, or one for each GPU]")
@click.option("--cluster", help="Dask: tcp://HOST:PORT, local:N, slurm:N or cuda.")
@click.option("--device", help="Instead of that of the settings: cpu, cuda, torch.")
@click.option("--on-error", type=click.Choice(["raise", "skip", "retry"]), help="Instead of that of the settings.")
@click.option("-o", "--output", type=LocalPath(file_okay=False), help="Folder of the results.")
@click.option("--log-file", type=_FILE, help="Write all messages to this file too.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step.")
def reduce(
    settings_file: Path | None,
    result_file: Path | None,
    resume: bool,
    restart: bool,
    log_file: Path | None,
    verbose: bool,
    **options: Any,
) -> None:
    """Reduce the observations of a settings file.

    Exit codes: 0 all is done; 1 an error ended it; 2 wrong settings, or the folder holds another
    reduction; 3 done, but some observations failed and
    are left out; 5 another reduction works in the folder; 6 a file that was read changed meanwhile;
    130 interrupted. After 1, 6 and 130, --resume goes on.
    """
    from lightpool.cli.console import ExitCode, Progress, ended_by_errors

    refuse_together("--resume", "--restart", (resume, restart), "one goes on from what is done, the other forgets it")
    both = options["workers"], options["cluster"]
    refuse_together("--workers", "--cluster", both, "one starts processes here, the other takes those of Dask")
    if log_file is not None and log_file.exists() and any(log_file.samefile(each) for each in _there(settings_file)):
        raise click.UsageError(f"--log-file {log_file} is the settings file, which would be spoilt; name another file.")
    with ended_by_errors(log_file, verbose=verbose):
        from lightpool.batch import make_plan, plan_to_resume, run_batch
        from lightpool.batch.storage.provenance import read_provenance
        from lightpool.config import Settings
        from lightpool.errors import ConfigError

        if settings_file is not None and result_file is None:
            settings = Settings.read(settings_file)
        elif result_file is not None and settings_file is None:
            provenance = read_provenance(result_file)
            settings = provenance.to_repeat()
            if changed := [file.path for file in provenance.inputs if not file.is_unchanged]:
                log.warning("not as they were when %s was made: %s", result_file, ", ".join(changed))
        else:
            raise ConfigError("give either a settings file or --from FILE")
        settings = settings.with_options(
            device=options["device"], on_error=options["on_error"], folder=options["output"]
        )
        batch = plan_to_resume(settings) if resume else make_plan(settings)
        workers = _executor(options["cluster"], options["workers"], settings.run.device)
        with _told_how_to_go_on(), workers as executor, Progress(len(batch.obs_ids)) as progress:
            result = run_batch(batch, executor, resume=resume, restart=restart, progress=progress)
        for file in result.files:
            say(file)
    sys.exit(ExitCode.SOME_FAILED if result.n_failed else ExitCode.WELL)


def _there(path: Path | None) -> list[Path]:
    return [] if path is None or not path.exists() else [path]


@contextmanager
def _told_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say("What is done is kept; --resume goes on with it.", err=True)
        raise


@contextmanager
def _executor(cluster: str | None, n_worker: int | None, device: str) -> Iterator[Any]:
    from lightpool.arrays.devices.gpus import visible_gpus
    from lightpool.batch.execution.executors import ProcessExecutor, SerialExecutor

    if cluster is not None:
        from lightpool.batch.execution.dask_cluster import dask_cluster

        with dask_cluster(cluster) as executor:
            yield executor
    else:
        gpus = visible_gpus(device)
        if not gpus:
            _require(device)
        n_worker = n_worker or max(len(gpus), 1)
        yield ProcessExecutor(n_worker, gpus) if n_worker > 1 else SerialExecutor()


def _require(device: str) -> None:
    """Refuse a device that is not there before anything is done."""
    from lightpool.arrays import find_device
    from lightpool.errors import ConfigError, DeviceError

    try:
        find_device(device)
    except DeviceError as error:
        raise ConfigError(f"run.device: {error}") from error


@click.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE, help="File of the stack.")
@click.option("--overwrite", is_flag=True, help="Write over it.")
@click.option("--allow-duplicates", is_flag=True, help="Add an observation that is in two files twice.")
def stack(files: tuple[Path, ...], output: Path, overwrite: bool, allow_duplicates: bool) -> None:
    """Add up datasets of the same geometry, such as those of some nights.

    Maps, ring results and spectra are told apart by their contents, and the sum is written in the layout of the first
    file. Of a spectrum give the PHA file; its other files may be among FILES. An observation that is in two files is
    refused, because its data would count twice.
    """
    from lightpool.cli.console import ended_by_errors

    with ended_by_errors():
        from lightpool.batch.stack import stack_files

        say(stack_files(files, output, overwrite=overwrite, allow_duplicates=allow_duplicates))


@click.command()
@click.argument("folder", type=LocalPath(file_okay=False))
@click.option("-o", "--output", type=_FILE, help="File of the page. [default: FOLDER/report.html]")
@click.option("--max-pictures", type=click.IntRange(min=0), default=40, show_default=True, help="Stacks with pictures.")
def report(folder: Path, output: Path | None, max_pictures: int) -> None:
    """Write a page about the reduction in FOLDER: what was run, what came out, what failed."""
    from lightpool.cli.console import ended_by_errors

    with ended_by_errors():
        from lightpool.report import write_report

        say(write_report(folder, output, max_pictures=max_pictures))
