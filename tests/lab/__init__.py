"""Drives the real opencode against a scripted model on loopback; every row is written by opencode itself."""
