"""The widgets of the main screen; each draws only the lines that are visible."""
