"""What a search through all texts has found, and where it leads."""
