"""What each session does, how urgent that is, and what is counted and told of it."""
