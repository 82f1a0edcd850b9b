"""What chaos and benchmarks stand on: services, databases to copy, what a run reports and how it is run."""
