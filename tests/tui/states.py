"""Sessions for pictures: one in every state, sub-agents in sub-agents, and a screen full of work."""

from __future__ import annotations

import json
from typing import Any

from adapter.events import Event, Usage
from tests.tui.story import SOURCE, Step, at, prompt, session
from tui.model.records import Key

QUESTION = json.dumps(
    {
        "questions": [
            {
                "header": "Old keys",
                "question": "Three services still read the old keys. What shall become of them?",
                "options": [
                    {"label": "Keep both", "description": "the old ones log a warning until 2.0"},
                    {"label": "Only the new", "description": "breaks billing, which is deployed on its own"},
                    {"label": "Ask the owners", "description": "opens an issue in each repository"},
                ],
            },
            {"question": "Which files may be changed?", "multiple": True, "options": ["config/", "docs/", "charts/"]},
        ]
    }
)
TODOS = json.dumps(
    {
        "todos": [
            {"content": "Find every reader of the keys", "status": "completed", "priority": "high"},
            {"content": "Rename them in config/", "status": "completed", "priority": "high"},
            {"content": "Ask what becomes of the old ones", "status": "in_progress", "priority": "high"},
            {"content": "Write the notes of the release", "status": "pending", "priority": "medium"},
            {"content": "Rename the charts, too", "status": "cancelled", "priority": "low"},
        ]
    }
)
ISSUES = json.dumps(
    {
        "total": 2,
        "issues": [
            {"id": 4711, "title": "retry() sleeps in tests", "labels": ["flaky", "tests"], "open": True},
            {"id": 4712, "title": "Backoff overflows at 64 tries", "labels": [], "open": False},
        ],
        "next": None,
    }
)


def call(session_id: str, number: int) -> Key:
    """The row of the numbered op of a session's first step."""
    return Key(SOURCE, "op", session_id, f"prt_{session_id}_1_{number}:tool")


def top(session_id: str) -> Key:
    """The row of a session."""
    return Key(SOURCE, "session", session_id, session_id)


def asked(session_id: str, title: str, ago: float, words: str, **fields: Any) -> list[Event]:
    """A session and its prompt."""
    return [session(session_id, title, ago, **fields), prompt(session_id, f"usr_{session_id}", words, ago - 1)]


def begun(session_id: str, ago: float, **fields: Any) -> Step:
    """The first step that answers that prompt."""
    return Step(session_id, 1, f"usr_{session_id}", ago, **fields)


def waiting_question() -> list[Event]:
    """A session that asks which way to go; before that it wrote a todo list and called a tool of an MCP server."""
    step = begun("ses_keys", 130)
    step.op("tool", "todowrite", 129, 0.1, label="Ask what becomes of…", todos=[3, 5], refs={"tool_request": TODOS})
    refs = {"tool_request": '{"query":"config keys","open":true}', "tool_response": ISSUES}
    step.op("tool", "search_issues", 128, 1.2, label="config keys", refs=refs)
    step.op("tool", "question", 66, None, label="Three services still read the…", refs={"tool_request": QUESTION})
    return [*asked("ses_keys", "Rename the config keys", 140, "rename them everywhere"), *step.events]


def every_state() -> list[Event]:
    """A session in each of the states there are, named for it."""
    many: list[list[Event]] = [
        [
            *asked("ses_write", "Rewrite the parser", 95, "without a generator, please"),
            *begun("ses_write", 90).op("text", "", 6, None).events,
        ],
        [
            *asked("ses_think", "Prove the invariant", 60, "is it one at all?"),
            *begun("ses_think", 58).op("reasoning", "", 40, None).events,
        ],
        waiting_question(),
        [
            *asked("ses_perm", "Clean the build directory", 40, "there are 40 GB in it"),
            *begun("ses_perm", 38).op("tool", "bash", 31, None, label="rm -rf build/").events,
        ],
        [
            *asked("ses_again", "Summarise the incident", 30, "one page", version="2.0.0"),
            *begun("ses_again", 25, extras={"retry": 3, "retry_at": at(-12), "retry_error": "529 overloaded"}).events,
        ],
        [
            *asked("ses_stall", "Search the archive", 600, "all of it"),
            *begun("ses_stall", 590).op("tool", "grep", 320, None, label="TODO\\(ada\\)").events,
        ],
        [
            *asked("ses_lost", "Train the classifier", 9000, "until it converges"),
            *begun("ses_lost", 8990).op("tool", "bash", 8900, None, label="make train", running=True).events,
        ],
        [
            *asked("ses_stop", "Delete the old branches", 800, "those without commits"),
            *begun("ses_stop", 790)
            .op("tool", "bash", 780, 9, status="aborted", label="git branch --list", running=True)
            .end(770, Usage(input=4_000, output=20), 4_000, 0.01, status="aborted")
            .events,
        ],
        [
            *asked("ses_fail", "Translate the manual", 700, "into German"),
            *begun("ses_fail", 690)
            .end(680, Usage(), 0, 0.0, status="failed", error=("ProviderAuthError", "the key has expired"))
            .events,
        ],
        [
            *asked("ses_pack", "Port the physics engine", 3000, "to the new vector type"),
            *begun("ses_pack", 20, extras={"summary": True}, agent="compaction").events,
        ],
        [
            *asked("ses_loop", "Fix the linter", 300, "make it green"),
            *looping(),
        ],
        [
            *asked("ses_next", "Bump the dependencies", 50, "minor versions only"),
            *begun("ses_next", 45)
            .op("tool", "read", 44, 0.1, label="package.json")
            .end(2, Usage(input=3_000, output=40), 3_000, 0.03)
            .events,
        ],
        [session("ses_done", "Explain the lexer", 7200, extras={"cost": 0.12})],
    ]
    return [event for events in many for event in events]


def looping() -> list[Event]:
    """A step that runs the same command for the fifth time."""
    step = begun("ses_loop", 290)
    for number in range(4):
        step.op("tool", "bash", 280 - 60 * number, 50, label="npm run lint", exit=1, running=True)
    return step.op("tool", "bash", 20, None, label="npm run lint", running=True).events


def nested() -> list[Event]:
    """Sub-agents of sub-agents, four levels down; what is finished beside the way there is folded."""
    events = asked("ses_n0", "Review the release", 500, "everything since 1.17", updated=2)
    names = ["read the change log", "check the migrations", "look at 0042", "ask git who wrote it"]
    for level, name in enumerate(names):
        parent, child = f"ses_n{level}", f"ses_n{level + 1}"
        ago = 480 - 100 * level
        step = begun(parent, ago, agent="explore" if level else "build", model="haiku-4.5" if level else "opus-4.5")
        step.op("text", "", ago, 2, label=f"First I {name}")
        step.op("tool", "read", ago - 3, 0.2, label=f"docs/{level}.md")
        step.op("tool", "task", ago - 5, 30, child=f"ses_done{level}", label=f"count the files of part {level}")
        step.op("tool", "task", ago - 40, None, child=child, label=name)
        done = begun(f"ses_done{level}", ago - 6, agent="explore", model="haiku-4.5")
        done.op("tool", "glob", ago - 7, 0.3, label="**/*.sql", hits=40 + level)
        done.end(ago - 35, Usage(input=6_000, output=80), 6_000, 0.02, finish="stop")
        fields = {"parent_id": parent, "agent": "explore", "model": "haiku-4.5"}
        events += [
            *step.events,
            *asked(f"ses_done{level}", f"count the files of part {level}", ago - 5, "Count them", **fields),
            *done.events,
            *asked(child, name, ago - 40, f"Please {name} and report", **fields),
        ]
    last = begun("ses_n4", 60, agent="explore", model="haiku-4.5")
    last.op("tool", "bash", 58, None, label="git blame 0042.sql", running=True, output_bytes=512)
    return events + last.events
