"""What the command tells its caller."""

from __future__ import annotations

OK = 0
DEGRADED = 1
"""Some of several databases could not be read; `doctor` also: readable, with something worth a look."""
NOT_FOUND = 1
"""`grep`: no text holds what was looked for."""
UNUSABLE = 2
"""No usable database, or wrong arguments."""
INTERNAL = 70
"""An error of our own that loading everything anew did not repair (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130
"""ctrl+c, as a shell reports it."""
