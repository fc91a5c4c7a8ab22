"""The benchmarks. ``python benchmarks/run.py``, or ``make bench``."""
