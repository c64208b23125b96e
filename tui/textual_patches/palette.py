"""A palette with headings among its commands, which the cursor passes over."""

from __future__ import annotations

from textual.command import Command, CommandList, CommandPalette


def heading() -> None:
    """What a hit does that is a heading: a hit of this command cannot be chosen."""


class PaletteScreen(CommandPalette):
    """Textual's own, which has no commands that cannot be chosen though its list can show them. In a terminal of a few
    columns the list keeps a width: with none at all its lines cannot be laid out; in one of a few rows, where it has no
    line, it is not moved in."""

    DEFAULT_CSS = """
    PaletteScreen CommandList { min-width: 12; }
    """

    def _refresh_command_list(self, command_list: CommandList, commands: list[Command], clear_current: bool) -> None:
        for command in commands:
            command.disabled = command.hit.command is heading
        super()._refresh_command_list(command_list, commands, clear_current)

    def _action_command_list(self, action: str) -> None:
        # A list without a line has no page to turn.
        if action == "select" or self.query_one(CommandList).size.height:
            super()._action_command_list(action)
