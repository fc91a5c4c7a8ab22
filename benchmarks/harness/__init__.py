"""The benchmarks' coordinator: sets contestants up, measures them in turns, and writes down what it found."""
