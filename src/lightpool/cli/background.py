"""The command for background models."""

import sys
from pathlib import Path

import click

from lightpool.cli.batch import batch_options, check_batch_options, run_to_the_end
from lightpool.cli.options import LocalPath

__all__ = ["background"]


@click.command()
@click.argument("settings_file", metavar="CONFIG", type=LocalPath(dir_okay=False))
@click.option(
    "--store-out",
    type=LocalPath(file_okay=False),
    help="Write index files to this folder that name the old event files and the new tables.",
)
@batch_options
def background(
    settings_file: Path,
    store_out: Path | None,
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
    """Make background models from the observations of a settings file.

    Counts and exposure are summed in one pass over the events, which can be stopped and resumed like a reduction. After
    a change of groups, tables or output, --resume makes the tables again of the same sums. Exit codes are those of
    `lightpool reduce`.
    """
    from lightpool.cli.console import ended_by_errors

    check_batch_options(settings_file, resume, restart, workers, cluster, log_file)
    with ended_by_errors(log_file, verbose=verbose):
        from lightpool.config.background import BackgroundSettings

        settings = BackgroundSettings.read(settings_file)
        settings = settings.with_options(device=device, on_error=on_error, folder=output)
        settings = settings.with_store_out(None if store_out is None else str(store_out.absolute()))
        code = run_to_the_end(settings, resume=resume, restart=restart, workers=workers, cluster=cluster)
    sys.exit(code)
