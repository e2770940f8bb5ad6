"""Commands, in the folder ``tests``.

``python -m cupy_without_gpu build FOLDER`` makes an environment with CuPy on the host; and in this environment
``python -m cupy_without_gpu count`` counts what a batch of simulated runs asks the device for.
"""

import argparse
import sys
from pathlib import Path

from cupy_without_gpu.build import BuildError, build

parser = argparse.ArgumentParser(prog="python -m cupy_without_gpu", description=__doc__)
commands = parser.add_subparsers(required=True, dest="command")
building = commands.add_parser("build", help="make an environment with CuPy on the host")
building.add_argument("folder", type=Path, help="a new folder, or an environment that was made here and is made again")
counting = commands.add_parser("count", help="count launches, copies and waits for each run of a batch")
counting.add_argument("--runs", type=int, default=256)
counting.add_argument("--processes", type=int, nargs="+", default=[1, 2])
counting.add_argument("--chunk", type=int, default=50, help="runs of a chunk")


def main() -> None:
    args = parser.parse_args()
    if args.command == "build":
        try:
            build(args.folder.absolute())
        except BuildError as error:
            sys.exit(f"error: {error}")
        return
    from cupy_without_gpu.batch_counts import describe_batches  # needs the environment

    for line in describe_batches(args.runs, args.processes, args.chunk):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":  # processes of a batch import this module
    main()
