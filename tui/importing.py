"""What ctrl+c does while Python imports: it ends the process quietly."""

import signal


class Importing:
    """Meanwhile ctrl+c ends the process at once, as any program that has not begun. A module of which it stopped
    half an import would be used all the same: that of msgspec's in C then reads through a null pointer."""

    def __enter__(self) -> None:
        # Not where it is ignored, as behind `nohup` or in the background of a script.
        self._is_taken = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_taken:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def __exit__(self, *error: object) -> None:
        if self._is_taken:
            signal.signal(signal.SIGINT, signal.default_int_handler)
