"""The language of the filter, and what it finds."""
