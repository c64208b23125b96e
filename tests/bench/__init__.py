"""Measurements by hand: `python -m tests.bench NAME`. Nothing here runs in the test suite."""
