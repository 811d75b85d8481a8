"""One module for each job of the benchmark, and what they share."""
