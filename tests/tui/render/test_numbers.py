"""Numbers stay short and say the same thing at every size."""

from __future__ import annotations

import pytest

from tui.render import numbers


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (940, "940"), (999, "999"), (1000, "1.0k"), (1234, "1.2k"), (9960, "10k"), (38_000, "38k"),
     (214_400, "214k"), (999_600, "1.0M"), (1_200_000, "1.2M"), (-1500, "-1.5k")],
)  # fmt: skip
def test_tokens(count: int, text: str) -> None:
    assert numbers.tokens(count) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(0, ""), (0.0001, "<$.001"), (0.004, "$0.004"), (0.21, "$0.21"), (12.345, "$12.35"), (999, "$999.00"),
     (12_340, "$12.3k")],
)  # fmt: skip
def test_money(dollars: float, text: str) -> None:
    assert numbers.money(dollars) == text


@pytest.mark.parametrize(
    ("count", "text"), [(-1, ""), (0, "0 B"), (412, "412 B"), (4_300_000, "4.1 MB"), (1_700_000_000, "1.6 GB")]
)
def test_sizes(count: int, text: str) -> None:
    assert numbers.size(count) == text


def test_small_words() -> None:
    assert numbers.delta(1900) == "+1.9k"
    assert numbers.delta(0) == ""
    assert numbers.percent(1, 0) == ""
    assert numbers.percent(84, 100) == "84 %"
    assert numbers.plural(1, "file") == "1 file"
    assert numbers.plural(6785, "file") == "6,785 files"
