"""Follows a database: what changed, what was emitted, what is new."""
