"""The host application that benchmarks send for: what it notifies about, and to whom."""
