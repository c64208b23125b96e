"""Which processes are opencode's, and who has a database open: looked at, never signalled, attached to or written."""
