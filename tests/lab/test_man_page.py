"""The page that is committed is the one that the parser and the help make."""

from __future__ import annotations

from tests.conftest import ROOT
from tests.lab.man_page import page


def test_the_page_of_man_is_up_to_date() -> None:
    committed = (ROOT / "assets" / "opencode-viewer.1").read_text()
    assert committed == page(), "python -m tests.lab.man_page > assets/opencode-viewer.1"


def test_every_line_of_it_is_text_or_a_request_that_roff_knows() -> None:
    requests = {".TH", ".SH", ".SS", ".TP", ".PP", ".br", ".nf", ".fi", ".nh", ".ad"}
    assert {line.split()[0] for line in page().splitlines() if line.startswith((".", "'"))} <= requests
