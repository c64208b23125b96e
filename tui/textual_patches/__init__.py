"""Every override of Textual's private parts, and of what it does too dearly: README.md beside this says what for."""
