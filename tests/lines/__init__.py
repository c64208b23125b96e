"""Lines to other machines as users have them: ssh, another user, commands that are not there. Real programs only."""
