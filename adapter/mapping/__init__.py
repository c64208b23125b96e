"""Pure functions from typed rows to canonical events: no I/O, no clock, no state."""
