"""`otlp`: sessions as traces. command.py is the wiring, history.py what is known of a session, spans.py the spans of
it (pure), places.py where they hang, texts.py what was written, telling.py what leaves and when, sending.py the
exporter."""
