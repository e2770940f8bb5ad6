"""The command line."""

import sys
from typing import Any

import click

import lightpool
from lightpool.cli.batch import config, plan, reduce, report, stack
from lightpool.cli.check import check
from lightpool.cli.demo import demo, info, simulate
from lightpool.cli.output import install_traceback, printable_errors, say
from lightpool.names import show_public

__all__ = ["main"]


class _Commands(click.Group):
    """The commands; Ctrl-C ends each of them with the same exit code, and what they say of errors is printable."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with printable_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        install_traceback()
        try:
            with printable_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            say("Interrupted.", err=True)
            sys.exit(130)  # as the shell has it for SIGINT


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lightpool.__version__, package_name="lightpool")
def main() -> None:
    """Reduce gamma-ray observations (DL3) to binned datasets (DL4)."""


for _command in (config, plan, check, reduce, report, stack, info, demo, simulate):
    main.add_command(_command)

show_public(__name__)
