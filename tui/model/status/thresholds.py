"""How long is too long: the times after which a state is doubted, and why these (µs)."""

from __future__ import annotations

SECOND = 1_000_000
MINUTE = 60 * SECOND

PERMISSION_AFTER = 2 * SECOND
"""A call that shows no sign of work for this long is probably waiting for a person. bash writes its first metadata when
the permission is given, edit takes milliseconds after it; a loaded machine still needs some leeway."""
WRITTEN_AFTER = 30 * SECOND
"""The same for a tool that writes nothing before its end (write, multiedit, apply_patch): once it is allowed it takes
milliseconds, and then waits for language servers for some seconds a file."""
BETWEEN_LIMIT = 30 * SECOND
"""After `tool-calls` the next step comes within milliseconds; snapshots and plugins may add seconds. Later, the loop
has ended: a rejected permission leaves exactly these rows."""
STALLED_AFTER = 3 * MINUTE
"""Text and reasoning are written twice, empty and whole, so silence is normal while a model writes; three minutes is
longer than nearly every answer."""
ORPHANED_AFTER = 10 * MINUTE
"""Nothing repairs the rows of an opencode that was killed; ten silent minutes are past the time limits of providers."""
SHELL_STALLED_AFTER = 5 * MINUTE
"""bash ends itself after two minutes unless the model asked for more, and writes on every chunk of output."""
SHELL_ORPHANED_AFTER = 30 * MINUTE
"""A silent build can be long; half an hour without one byte of output hardly is."""
WAITING_DOUBTED_AFTER = 30 * MINUTE
"""A question waits as long as its person is away; after this we add that opencode may be gone."""
WAITING_ORPHANED_AFTER = 12 * 60 * MINUTE
"""Nobody comes back to a question after half a day without opencode having been closed."""
BUSY_CPU = 5.0
"""Percent of a core above which an opencode is taking an answer in."""
STARTED_LEEWAY = 5 * SECOND
"""By so much the clock may have moved since a process was started: its start is counted from the system's, while rows
have the time of the day."""

LONG_CALL = 10 * MINUTE
"""bash ends itself after two minutes unless the model asked for more, and nearly every other call takes seconds."""
LONG_TASK = 30 * MINUTE
"""A sub-agent works through many calls; half an hour of one is worth a look."""
LONG_STEP = 10 * MINUTE
"""One request to a model, its calls left out, takes seconds to a few minutes."""
CONTEXT_NEARLY_FULL = 0.8
"""Share of the window. opencode compacts when no room for an answer is left (at 90 % of 200,000 tokens); from here on
one long output is enough to get there."""
CONTEXT_IMPLAUSIBLE = 1.5
"""Share of the window that nothing can fill: the limit or the count is wrong. A little more than all of it happens: up
to 1.3.2 reasoning counts twice, and a limit of one's own making is a guess."""

LOOK_BELOW = 200
"""Sessions below a call that are asked what they do: far more than anybody nests or starts at once, and a bound on what
one row may cost."""
