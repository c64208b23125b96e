"""What looks like emphasis by the letter of Markdown and is a name: one rule for the screen and for documents."""

from __future__ import annotations

import re

NAME = re.compile(r"__[a-z0-9_]+__")
"""What Python calls its own, `__init__`: never meant as emphasis."""
INSIDE_BEFORE = re.compile(r"[A-Za-z0-9_/.*\\]$")
"""What stands before a star inside of a word or a path. Scripts without spaces have no words to be inside of."""
INSIDE_BEHIND = re.compile(r"[/*]|\.\w")
"""What stands behind a mark that is inside of a path or in front of an ending."""
