"""The screens: main and help."""
