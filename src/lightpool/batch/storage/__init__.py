"""The files of a batch: its folder, the records of finished chunks, results and their provenance."""
