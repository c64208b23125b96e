"""The scripted scenarios `lab:NAME` and the token numbers that each of their steps reports.

Step K (from 0) of scenario number N reports a prompt of `N*1000 + K*100` tokens, `N*100` of them cached, and
a completion of `50 + K`, 5 of them reasoning (0 where the step does not reason); `near` reports a prompt of
195000. opencode stores per step: input = prompt - cached, cache.read = cached, output = completion -
reasoning.
"""

from __future__ import annotations

from tests.lab.script import Step, Usage, bash, http_error, read, task, todos

ESC = "\x1b"

# Text that must never reach a terminal as it is.
HOSTILE = (
    f"{ESC}[31mred{ESC}[0m {ESC}[2J{ESC}[H cleared? {ESC}]0;pwned title\x07 "
    f"{ESC}]8;;http://127.0.0.1/\x07link{ESC}]8;;\x07 {ESC}]52;c;cHduZWQ=\x07 "
    f"[bold]bold?[/bold] [link=http://127.0.0.1/]x[/link] [/] [not closed "
    "\x9b31mC1 csi\x9b0m \u202eright to left\u202c a\rcarriage \x08\x08back \x00 nul \x7f del"
)
EMOJI = "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 Zalgo Z̸̢͝ 日本語テキスト 한국어 العربية עברית 𝕬𝖇𝖈 \u200bzero\u200dwidth ﷽"

TITLES = {
    "unicode": "Ünïcode títle 日本語 👩‍👩‍👧‍👦",
    "ansi": f"{ESC}[31mRed title{ESC}[0m [bold]markup[/bold] [/] {ESC}]0;pwned\x07 end",
    "long": "A very long title " + "that goes on and on " * 20,
}
SUMMARY = "## Goal\nMock summary of the conversation.\n\n## Next\nContinue with the lab."

ANSI_COMMAND = (
    r"printf '\033[31mred\033[0m \033[2J\033[H\033]0;pwned\007 [bold]markup[/bold] [/] [link=x]\n"
    r"\033]8;;http://127.0.0.1/\007link\033]8;;\007 \033]52;c;cHduZWQ=\007 a\rb\bc \233 31m nul:\000: \177\n"
    r"tab\tsep [red on blue\n'; exit 0"
)
UNICODE_COMMAND = f"printf '%s\\n' '{EMOJI}' 'second line'; printf 'bad utf8: \\377\\376 \\303\\n'"
BIG_COMMAND = "i=0; while [ $i -lt 2500 ]; do echo \"line $i $(printf '%040d' $i)\"; i=$((i+1)); done"
WIDE_COMMAND = "head -c 200000 /dev/zero | tr '\\000' 'w'; echo"

# The number of a scenario (see above) and its steps.
SCENARIOS: dict[str, tuple[int, list[Step]]] = {
    "plain": (1, [Step("Hello there, this is a plain answer.")]),
    "tools": (
        2,
        [
            Step("First I list the files.", [bash("ls", "List files")]),
            Step("Now I read one.", [read("hello.txt")]),
            Step("The file says hello."),
        ],
    ),
    "fail": (
        3,
        [
            Step("I read a file.", [read("missing.txt")]),
            Step(
                "Missing. I run a command.",
                [bash("echo to-stdout; echo to-stderr >&2; exit 3", "Exit with 3")],
            ),
            Step("Both of them failed."),
        ],
    ),
    "badtool": (
        4,
        [
            Step("I call an odd tool.", [("no_such_tool", {"x": 1})]),
            Step("That tool does not exist."),
        ],
    ),
    "badargs": (
        5,
        [
            Step("I call read wrongly.", [("read", {"limit": 5})]),
            Step("The arguments were wrong."),
        ],
    ),
    "parallel": (
        6,
        [
            Step(
                "Three at once.",
                [bash("echo one", "Echo"), read("hello.txt"), ("glob", {"pattern": "*.txt"})],
            ),
            Step("All three are done."),
        ],
    ),
    "task": (
        7,
        [
            Step("I delegate.", [task("Read the file", "lab:child-read Read hello.txt and answer.")]),
            Step("The sub-agent is done."),
        ],
    ),
    "task2": (
        8,
        [
            Step(
                "I delegate twice.",
                [
                    task("Read the file", "lab:child-read Read hello.txt and answer."),
                    task("Run a command", "lab:child-bash Run a command and answer."),
                ],
            ),
            Step("Both sub-agents are done."),
        ],
    ),
    "nested": (
        9,
        [
            Step(
                "I delegate deeply.",
                [task("Delegate further", "lab:child-nest Delegate once more.", "nester")],
            ),
            Step("The nested sub-agents are done."),
        ],
    ),
    "childfail": (
        10,
        [
            Step("I delegate to one that fails.", [task("Fail", "lab:child-error Please fail.")]),
            Step("The sub-agent failed."),
        ],
    ),
    "taskslow": (
        11,
        [
            Step("I delegate slow work.", [task("Slow work", "lab:child-slow Take your time.")]),
            Step("The slow sub-agent is done."),
        ],
    ),
    "error400": (12, [Step(error=http_error(400, "mock: the request is bad", "mock_bad_request"))]),
    "error401": (13, [Step(error=http_error(401, "mock: no such key", "mock_unauthorized"))]),
    "retry429": (14, [Step("It worked on the second attempt.")]),
    "retry503": (15, [Step("It worked on the third attempt.")]),
    "retrylong": (16, [Step("never sent")]),
    "overflow": (17, [Step("It fits now.")]),
    "cut": (18, [Step("This answer is cut in the middle and never ends properly.", cut=True)]),
    "length": (19, [Step("This answer is too", finish="length")]),
    "empty": (20, [Step("", reasoning="")]),
    "long": (21, [Step(" ".join(f"word{i}" for i in range(2000)))]),
    "hang": (22, [Step("I stop in the middle of", hang=600)]),
    "slowtool": (
        23,
        [
            Step("I run something slow.", [bash("echo started; sleep 45; echo finished", "Sleep")]),
            Step("It finished."),
        ],
    ),
    "slowargs": (
        24,
        [
            Step(
                "I write a long file.",
                [("write", {"filePath": "slow.txt", "content": "slow content " * 60})],
                arg_pace=5,
            ),
            Step("Written."),
        ],
    ),
    "todo": (
        25,
        [
            Step(
                "I plan.",
                [
                    todos(
                        ("first thing", "in_progress", "high"),
                        ("second thing", "pending", "medium"),
                        ("third thing [bold]x[/bold]", "pending", "low"),
                    )
                ],
            ),
            Step(
                "I update the plan.",
                [
                    todos(
                        ("first thing", "completed", "high"),
                        ("second thing", "in_progress", "medium"),
                        ("third thing [bold]x[/bold]", "cancelled", "low"),
                    )
                ],
            ),
            Step("The plan is made."),
        ],
    ),
    "files": (
        26,
        [
            Step("I write a file.", [("write", {"filePath": "new.txt", "content": "one\ntwo\nthree\n"})]),
            Step("I look at it.", [read("hello.txt")]),
            Step(
                "I edit two files.",
                [
                    ("edit", {"filePath": "new.txt", "oldString": "two", "newString": "TWO"}),
                    ("edit", {"filePath": "hello.txt", "oldString": "hello world", "newString": "hello lab"}),
                ],
            ),
            Step(
                "A command writes as well.",
                [bash("echo by-bash > bash.txt; rm -f gone.txt", "Write and delete")],
            ),
            Step("The files are changed."),
        ],
    ),
    "patch": (
        27,
        [
            Step(
                "I patch.",
                [
                    (
                        "apply_patch",
                        {
                            "patchText": "*** Begin Patch\n*** Add File: patched.txt\n+alpha\n+beta\n"
                            "*** Update File: hello.txt\n@@\n-hello world\n+hello patch\n*** End Patch"
                        },
                    )
                ],
            ),
            Step("Patched."),
        ],
    ),
    "attach": (28, [Step("I see the attachments.")]),
    "big": (
        29,
        [
            Step("Many lines.", [bash(BIG_COMMAND, "Print 2500 lines")]),
            Step("One wide line.", [bash(WIDE_COMMAND, "Print one 200 kB line")]),
            Step("That was big."),
        ],
    ),
    "unicode": (
        30,
        [
            Step(
                f"Unicode: {EMOJI}",
                [bash(UNICODE_COMMAND, "Ünïcode 👩‍👩‍👧‍👦 日本語")],
                reasoning="Thinking in 日本語 🧠.",
            ),
            Step(f"Done {EMOJI} " + "x" * 5000),
        ],
    ),
    "ansi": (
        31,
        [
            Step(
                f"Escapes: {HOSTILE}",
                [bash(ANSI_COMMAND, f"{ESC}[31mdescription{ESC}[0m [bold]markup[/bold]")],
                reasoning=f"{ESC}[35mthought{ESC}[0m [blink]x[/blink]",
            ),
            Step(f"Done: {HOSTILE}"),
        ],
    ),
    "question": (
        32,
        [
            Step(
                "I have a question.",
                [
                    (
                        "question",
                        {
                            "questions": [
                                {
                                    "question": "Which colour do you want?",
                                    "header": "Colour",
                                    "options": [
                                        {"label": "Red", "description": "the warm one"},
                                        {"label": "Blue", "description": "the cold one"},
                                    ],
                                    "multiple": False,
                                }
                            ]
                        },
                    )
                ],
            ),
            Step("Thank you for the answer."),
        ],
    ),
    "ask": (
        33,
        [
            Step("I need a permission.", [bash("touch asked.txt", "Needs a permission")]),
            Step("It was allowed or not."),
        ],
    ),
    "near": (34, [Step("The context is nearly full.")]),
    "compact2": (35, [Step("This is after the full context.")]),
    "think": (36, [Step("The answer is 42.", reasoning="Step by step I think about it. " * 20)]),
    "markdown": (
        37,
        [
            Step(
                "# Title\n\nSome *emphasis*, `code` and a [link](http://127.0.0.1/).\n\n"
                "```python\nprint('[bold]not markup[/bold]')\n```\n\n"
                "| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two\n"
            )
        ],
    ),
    "drip": (
        38,
        [
            Step(
                "I run something that prints now and then.",
                [bash("for i in 1 2 3 4 5 6 7 8 9 10; do echo drip $i; sleep 0.5; done", "Drip")],
            ),
            Step("It dripped ten times, and this last answer is a little longer so that it takes time to stream."),
        ],
    ),
    "silent": (
        39,
        [
            Step("I run something silent.", [bash("sleep 45", "Sleep")]),
            Step("It slept."),
        ],
    ),
    "stream": (40, [Step(" ".join(f"word{i}" for i in range(200)))]),
    "child-read": (
        41,
        [
            Step("The child reads.", [read("hello.txt")]),
            Step("Child answer: the file says hello."),
        ],
    ),
    "child-bash": (
        42,
        [
            Step("The child runs.", [bash("echo from-the-child", "Echo in the child")]),
            Step("Child answer: the command ran."),
        ],
    ),
    "child-nest": (
        43,
        [
            Step(
                "The child delegates.",
                [task("Grandchild reads", "lab:child-read Read hello.txt and answer.")],
            ),
            Step("Child answer: the grandchild is done."),
        ],
    ),
    "child-error": (44, [Step(error=http_error(400, "mock: the child request is bad", "mock_bad_request"))]),
    "child-slow": (
        45,
        [
            Step(
                "The child takes its time.",
                [bash("echo child-started; sleep 45; echo child-finished", "Sleep in the child")],
            ),
            Step("Child answer: slow work done."),
        ],
    ),
    # Below are those that only 2.x knows, or that are looked at there.
    "background": (
        51,
        [
            Step(
                "I delegate and do not wait.",
                [
                    (
                        "subagent",
                        {
                            "agent": "general",
                            "description": "Work aside",
                            "prompt": "lab:child-drip Work aside.",
                            "background": True,
                        },
                    )
                ],
            ),
            Step("It works in the background."),
        ],
    ),
    "shellback": (
        52,
        [
            Step(
                "I start a command and do not wait.", [("shell", {"command": "sleep 2; echo over", "background": True})]
            ),
            Step("It runs in the background."),
        ],
    ),
    "child-drip": (
        58,
        [
            Step("The child prints.", [bash("for i in 1 2 3 4; do echo drip $i; sleep 0.5; done", "Drip")]),
            Step("Child answer: it has dripped."),
        ],
    ),
    "taskdrip": (
        61,
        [
            Step("I delegate what takes two seconds.", [task("Drip", "lab:child-drip Take a while.")]),
            Step("The sub-agent has dripped."),
        ],
    ),
}

OWN_USAGE = {"title": Usage(200, 0, 8, 0), "summary": Usage(900, 0, 40, 0)}
NEAR_PROMPT = 195_000


def usage_of(name: str, step: int) -> Usage:
    """What step `step` of scenario `name` reports (also of `title` and `summary`)."""
    if name in OWN_USAGE:
        return OWN_USAGE[name]
    number, steps = SCENARIOS[name]
    prompt = NEAR_PROMPT if name == "near" else number * 1000 + step * 100
    reasoning = 5 if steps[min(step, len(steps) - 1)].reasoning else 0
    return Usage(prompt, number * 100, 50 + step, reasoning)


def expected(name: str) -> list[dict[str, int]]:
    """What the steps of one prompt report, in order, with what opencode makes of it (see the module).

    An `error...` scenario stores no step at all. opencode goes on by itself after `cut` (a step of zeros, then one
    more) and compacts first in `overflow`, so those two store other steps than these.
    """
    rows = []
    for step in range(len(SCENARIOS[name][1])):
        usage = usage_of(name, step)
        rows.append(
            {
                **usage._asdict(),
                "uncached_input": usage.prompt - usage.cached,
                "visible_output": usage.completion - usage.reasoning,
            }
        )
    return rows
