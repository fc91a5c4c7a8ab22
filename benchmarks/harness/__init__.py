"""The benchmarks' coordinator: sets up the contestants, measures them in turns, and records the results."""
