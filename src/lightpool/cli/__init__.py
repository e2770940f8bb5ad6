"""The command line."""

import sys

import click

import lightpool
from lightpool.cli.background import background
from lightpool.cli.batch import config, plan, reduce, report, stack
from lightpool.cli.check import check
from lightpool.cli.demo import demo, info, simulate
from lightpool.cli.output import install_traceback, printable_errors, say
from lightpool.cli.quicklook import quicklook
from lightpool.names import show_public

__all__ = ["main"]


class _Commands(click.Group):
    """The group of commands; Ctrl-C ends each of them with the same exit code, and their errors are printable."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        with printable_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        install_traceback()
        try:
            with printable_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            say("Interrupted.", err=True)
            sys.exit(130)  # the convention of shells for SIGINT


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lightpool.__version__, package_name="lightpool")
def main() -> None:
    """Reduce gamma-ray observations (DL3) to binned datasets (DL4)."""


for _command in (config, plan, check, quicklook, reduce, background, report, stack, info, demo, simulate):
    main.add_command(_command)

show_public(__name__)
