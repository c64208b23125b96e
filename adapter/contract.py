"""What can go wrong with a source, as one small tree.

    AdapterError
    ├── SourceUnavailable     the file cannot be read now; the tailer waits and tries again
    │   ├── SourceMissing         no file at the path (yet)
    │   ├── SourceUnreadable      a directory, no permission, an I/O error
    │   ├── SourceEmpty           a file of 0 bytes: opencode is about to make its tables, or a mistake
    │   ├── NotADatabase          a file that SQLite does not recognise, or a damaged one
    │   ├── NotOpencode           a SQLite file without opencode's tables or columns
    │   └── SourceBusy            locked or being recovered, for longer than the retries last
    ├── SourceChanged         the file was replaced, shrank or was migrated under an open connection: reopen
    ├── DeadlineExceeded      a read took longer than its transaction may last
    ├── RowTooLarge           a value is over the size we are willing to read at once
    └── PayloadError          a payload reference that cannot be resolved
        ├── BadReference          not a reference of ours, or a field that the row does not have
        ├── PayloadGone           the row is no longer in the database
        └── PayloadTooLarge       the row is larger than we are willing to read

Every message is one line that says what is wrong and what to do about it.
"""

from __future__ import annotations

from pathlib import Path


def encodable(text: str | Path) -> str:
    """Text that every encoder takes: a byte of a file's name that is no UTF-8 is written as \\udcNN."""
    return str(text).encode("utf-8", "backslashreplace").decode()


class AdapterError(Exception):
    """Any failure of the adapter that a user can act on."""

    def __init__(self, words: str) -> None:
        super().__init__(encodable(words))


class SourceUnavailable(AdapterError):
    """The database cannot be read at the moment."""


class SourceMissing(SourceUnavailable):
    """There is no file at the path."""


class SourceUnreadable(SourceUnavailable):
    """The path is a directory, is not permitted, or fails with an I/O error."""


class SourceEmpty(SourceUnavailable):
    """The file has 0 bytes."""


class NotADatabase(SourceUnavailable):
    """The file is not SQLite, or is damaged."""


class NotOpencode(SourceUnavailable):
    """The file is SQLite but has not the tables or columns of opencode."""


class SourceBusy(SourceUnavailable):
    """The database stayed locked."""


class SourceChanged(AdapterError):
    """What the connection reads is no longer what lies at the path."""


class DeadlineExceeded(AdapterError):
    """A read was stopped because its transaction had lasted too long."""


class RowTooLarge(AdapterError):
    """One value of a row is larger than the reader accepts."""


class PayloadError(AdapterError):
    """A payload reference cannot be resolved."""


class BadReference(PayloadError):
    """The URI is not one of ours, or names a field that is not there."""


class PayloadGone(PayloadError):
    """The row that the URI names no longer exists."""


class PayloadTooLarge(PayloadError):
    """The row is larger than the reader accepts."""
