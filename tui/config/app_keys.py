"""The keys that the program has everywhere."""

from __future__ import annotations

from textual.binding import Binding, BindingType

APP: list[BindingType] = [
    Binding("question_mark", "help", "open the help", id="help.open", show=False),
    Binding("T", "next_theme", "switch colours: dark, light, contrast, ansi", id="theme", show=False),
    Binding("q", "quit", "quit", id="quit", show=False),
    # With priority: a modal screen asks nobody behind it.
    Binding("ctrl+z", "suspend", "go to the shell; fg comes back", id="suspend", show=False, priority=True),
    Binding("ctrl+c", "leave", "quit, from anywhere", id="quit.anywhere", show=False, priority=True),
    Binding("ctrl+q", "quit", "quit, whatever is selected", id="quit.now", show=False, priority=True),
    Binding("ctrl+p", "command_palette", "open the command palette", id="palette", show=False, priority=True),
]
