"""The test suite, mirroring the app."""
