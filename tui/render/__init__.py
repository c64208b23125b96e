"""Pure functions: one row or line at a width -> styled segments."""
