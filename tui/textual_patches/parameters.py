"""How many parameters a callback takes, counted once for each method.

Textual hands a callback no more parameters than it takes, and counts them by `inspect.signature`, 0.1 ms, for every
`partial` that `call_later`, `call_next` and `set_timer` make of a method anew: five times a key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from textual import _callback

from tui.textual_patches import stock

_as_textual_does = _callback._count_parameters


def count_once() -> None:
    """Has parameters of methods counted once, from now on and in every app."""
    _callback._count_parameters = count_parameters


def count_parameters(func: Callable[..., Any]) -> int:
    """How many parameters a callable takes."""
    method = getattr(func, "__func__", None)
    if method is None or not stock.on("parameters"):
        return _as_textual_does(func)
    return _of_method(method) - 1


@cache
def _of_method(method: Callable[..., Any]) -> int:
    # There are as many as classes have methods; other functions may be made anew each time.
    return _as_textual_does(method)
