"""The transcript: passages as lines."""
