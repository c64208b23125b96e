"""Text that comes from outside: the one door for it, and values and times as words."""
