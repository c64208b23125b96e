"""How changes are found."""
