"""The tables session, message and part of opencode 1.x."""
