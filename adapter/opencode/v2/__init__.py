"""The table session_message of opencode 1.18 and 2.x."""
