"""What opencode asks of the user, as it asks it: the question and its choices, from the arguments of `question`."""

from __future__ import annotations

from typing import Any

import msgspec

from tui.render.lines import Line
from tui.text import sanitize


def question_lines(text: str) -> list[Line] | None:
    """`{"questions": [...]}` (tool/question.ts) with a line for each choice; None when the text is something else."""
    try:
        questions = msgspec.json.decode(text)["questions"]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, LookupError, TypeError):
        return None
    if not isinstance(questions, list) or not all(isinstance(question, dict) for question in questions):
        return None
    lines: list[Line] = []
    for question in questions:
        lines += [[]] if lines else []
        lines += _question(question)
    return lines


def _question(question: dict[str, Any]) -> list[Line]:
    header = _words(question.get("header"))
    note = "  more than one may be chosen" if question.get("multiple") is True else ""
    lines: list[Line] = [[(_words(question.get("question")), "strong"), (note, "dim")]]
    if header:
        lines.insert(0, [(header, "dim")])
    options = question.get("options")
    for option in options if isinstance(options, list) else []:
        known = option if isinstance(option, dict) else {"label": option}
        line = [("  - ", "dim"), (_words(known.get("label")), "text")]
        if description := _words(known.get("description")):
            line.append((f"  {description}", "dim"))
        lines.append(line)
    return lines


def _words(value: Any) -> str:
    return sanitize.label(value, sanitize.LINE_LIMIT) if isinstance(value, str) else ""
