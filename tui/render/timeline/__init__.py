"""Timelines as lines of text: pure, and `bars` without a terminal library."""
