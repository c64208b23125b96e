"""`python -m tests.bench.filter`: what a letter typed into the filter costs, from the changed text to the rows that are
in sight, with thousands of sessions.

CPU time of the thread, because that is what a busy machine does not spoil.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

from adapter.events import Event, SessionStarted, Usage
from tui.model.filter.active_filter import Finder
from tui.model.records import ChangeSet
from tui.model.store.store import Store
from tui.model.tree.rows import VisibleRows
from tui.model.tree.sorting import Arrangement

WORDS = (  # noqa: SIM905 - thirty quoted words are harder to read
    "fix add move rename explain port retry test config lexer parser tree viewer session model token price budget "
    "deploy release nightly report index cache query schema write read flaky slow broken new old"
).split()
AGENTS = ("build", "plan", "explore", "general", "review")
NOW = 1_790_000_000_000_000
SIGHT = 50
"""Rows that a screen asks for."""


def world(count: int) -> list[Event]:
    """Sessions with titles of common words, a third of them sub-agents; the same for every run."""
    chance = random.Random(7)
    events: list[Event] = []
    for number in range(count):
        is_child = number % 3 == 2
        begin = NOW - (count - number) * 60_000_000
        events.append(
            SessionStarted(
                source="opencode:/bench/opencode.db",
                ts=begin,
                session_id=f"ses_{number:06}",
                root_id=f"ses_{number - number % 3:06}",
                parent_id=f"ses_{number - number % 3:06}" if is_child else None,
                session_kind="sub_agent" if is_child else "root",
                agent=chance.choice(AGENTS),
                model="opus-4.5",
                provider="anthropic",
                provider_alias="anthropic",
                cwd=f"/home/ada/{chance.choice(WORDS)}",
                title=" ".join(chance.choices(WORDS, k=6)),
                version="1.18.33",
                extras={"cost": chance.random(), "usage": Usage(input=chance.randrange(90_000)), "time_updated": begin},
            )
        )
    return events


def main() -> None:
    """Types queries letter by letter and prints the cost of each letter: in the usual order, and by project."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.filter", description=__doc__)
    parser.add_argument("--sessions", type=int, default=7000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    store = Store()
    store.apply(world(arguments.sessions))
    for by_project in (False, True):
        rows, finder = VisibleRows(store), Finder(store)
        rows.update(ChangeSet(roots=set(), dirty=set()), NOW)
        rows.arrange(Arrangement(grouping="projects" if by_project else "plain"))
        began = time.thread_time()
        finder.index.fill(NOW)
        cards = (time.thread_time() - began) * 1000
        print(
            f"{len(finder.index.cards):,} cards made in {cards:.0f} ms; {'by project' if by_project else 'ungrouped'}:"
        )
        for query in ("re", "retry test", "is:idle e", "agent:build -fix", "xqz", "cost>0.5 tokens<20k since:2d"):
            typed(rows, finder, query, arguments.rounds)


def typed(rows: VisibleRows, finder: Finder, query: str, rounds: int) -> None:
    """Prints what each letter of a query costs: the median of the rounds, and the worst letter's."""
    costs: dict[str, list[float]] = {}
    for _ in range(rounds):
        for end in [*range(1, len(query) + 1), 0]:
            began = time.thread_time()
            finder.ask(query[:end], NOW)
            rows.keep(finder.trees if finder.on else None)
            for at in range(min(SIGHT, len(rows))):
                rows.row(at)
            costs.setdefault(query[:end], []).append((time.thread_time() - began) * 1000)
    medians = {text: statistics.median(times) for text, times in costs.items()}
    worst = max(medians, key=lambda text: medians[text])
    finder.ask(worst, NOW)
    found = len(finder.matches) if worst else len(finder.index.cards)
    finder.ask("", NOW)
    rows.keep(None)
    letters = "  ".join(f"{medians[query[:end]]:.1f}" for end in range(1, len(query) + 1))
    print(f"  {query!r}: {letters} ms; all again {medians['']:.1f} ms")
    print(f"    worst {worst!r}: {medians[worst]:.1f} ms, finds {found:,}")


if __name__ == "__main__":
    main()
