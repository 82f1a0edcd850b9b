"""Kill tests of whole deployments: `make chaos` runs them all and writes `build/chaos.json`."""
