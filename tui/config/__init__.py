"""What the user has chosen: settings, keys, colours."""
