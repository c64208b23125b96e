"""What sessions cost, in words and lines: the screen and the command have the same ones."""
