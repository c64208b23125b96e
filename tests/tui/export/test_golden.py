"""Whole documents of real sessions, compared with those that somebody has looked at."""

from __future__ import annotations

import pytest

from tests.tui.export.golden import DOCUMENTS, export, golden_file


@pytest.mark.parametrize(("name", "form", "redact"), DOCUMENTS)
def test_a_document_is_the_one_that_was_looked_at(name: str, form: str, redact: bool) -> None:
    assert export(name, form, redact) == golden_file(name, form, redact).read_text("utf-8")
