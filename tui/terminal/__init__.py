"""The terminal itself: what goes to it and comes from it beside the screen."""
