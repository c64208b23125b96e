"""The facts of what the cursor is on."""
