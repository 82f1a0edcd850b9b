"""Benchmarks of whole deployments against what else there is: `make bench` runs them and writes `build/bench.json`."""
