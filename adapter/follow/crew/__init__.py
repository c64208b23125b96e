"""Processes that help a scan of a large database."""
