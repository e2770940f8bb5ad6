"""``python -m lightpool`` is ``lightpool``."""

from lightpool.cli import main

main()
