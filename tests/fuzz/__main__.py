"""``python tests/fuzz --cases N --seed S`` runs N cases and prints a summary; the exit code is 1 if any is a fault."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.campaign import main

if __name__ == "__main__":
    main()
