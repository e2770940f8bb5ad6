"""Damaged files: some thousand ways to spoil a data store, each read and reduced under limits of time and memory.

``python tests/fuzz --cases 5000 --seed 1`` prints a summary; ``test_fuzz.py`` runs fewer of the same cases.
"""
