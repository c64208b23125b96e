"""The in-memory session/turn/op model. Plain Python: no Textual, no I/O, time is always an argument."""
