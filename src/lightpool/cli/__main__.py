"""``python -m lightpool.cli`` is ``lightpool``."""

from lightpool.cli import main

main()
