"""The terminal UI of opencode-viewer. Importing this package imports nothing else."""

__version__ = "0.1.0"
