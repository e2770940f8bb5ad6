"""``python -m lightpool.gammapy script.py [arguments]`` runs a script that was written for Gammapy on lightpool."""

from lightpool.gammapy.scripts import main

main()
