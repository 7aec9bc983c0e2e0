"""Ratios measured in one process or one run, never bare times. No tests. `make bench` runs them all."""
