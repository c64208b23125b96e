"""Which rows there are, in which order, and where the cursor goes."""
