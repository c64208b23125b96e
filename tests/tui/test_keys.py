"""The keys: bindings, help screen and README have to say the same."""

from __future__ import annotations

import re
from pathlib import Path

from tui.bindings import key_groups
from tui.render.help import key_name

README = Path(__file__).parent.parent.parent / "README.md"


def documented() -> set[str]:
    """Every key in the first column of the README's table of keys."""
    table = README.read_text().split("| key | what it does |")[1].split("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    return {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)}


def bound() -> list[set[str]]:
    """The keys of each binding of the tree and the screen, as they are printed. Those of a text and of
    the filter are their own: the same keys mean what they mean there."""
    return [
        {key_name(key.strip()) for key in keys.split(",")}
        for name, entries in key_groups()
        if name not in ("In a text", "In the filter")
        for keys, _ in entries
    ]


def test_the_readme_has_a_key_of_every_binding() -> None:
    assert [keys for keys in bound() if not keys & documented()] == []


def test_every_key_in_the_readme_is_bound() -> None:
    assert documented() - set().union(*bound()) == set()


def test_no_two_bindings_of_the_tree_and_the_screen_share_a_key() -> None:
    keys = [key for each in bound() for key in each]
    assert len(keys) == len(set(keys))
