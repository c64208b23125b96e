"""The store of all sessions, and how events change it."""
