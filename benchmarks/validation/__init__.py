"""What `benchmarks/validate.py` does: reduce runs with both packages, compare them, and write a page."""
