"""What opencode's databases hold, and how it becomes canonical events."""
