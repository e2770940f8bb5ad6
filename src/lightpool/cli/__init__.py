"""The command line."""

import click

import lightpool
from lightpool.cli.batch import config, plan, reduce, report, stack
from lightpool.cli.check import check
from lightpool.cli.demo import demo, info, simulate

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lightpool.__version__, package_name="lightpool")
def main() -> None:
    """Reduce gamma-ray observations (DL3) to binned datasets (DL4)."""


for _command in (config, plan, check, reduce, report, stack, info, demo, simulate):
    main.add_command(_command)
