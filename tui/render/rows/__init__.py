"""The rows of the tree."""
