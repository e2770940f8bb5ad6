"""``python -m cupy_without_gpu build FOLDER``, in the folder ``tests``: make an environment with CuPy on the host."""

import argparse
import sys
from pathlib import Path

from cupy_without_gpu.build import BuildError, build

parser = argparse.ArgumentParser(prog="python -m cupy_without_gpu", description=__doc__)
building = parser.add_subparsers(required=True).add_parser("build", help="make an environment with CuPy on the host")
building.add_argument("folder", type=Path, help="a new folder, or an environment that was made here and is made again")
try:
    build(parser.parse_args().folder.absolute())
except BuildError as error:
    sys.exit(f"error: {error}")
