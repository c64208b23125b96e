"""A source on another machine: its end there (`serve`), the line, and the end here."""
