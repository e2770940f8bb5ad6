"""Run a script with the stand-in in the place of CuPy: ``python -m cuda_on_host SCRIPT [arguments]``."""

import runpy
import sys

from cuda_on_host.cupy_stand_in import installed

sys.argv = sys.argv[1:]
with installed():
    runpy.run_path(sys.argv[0], run_name="__main__")
