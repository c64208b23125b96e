"""A session with its sub-agents as one document: Markdown, HTML or JSON. Never imports a terminal library."""
