"""Long texts: documents, Markdown, differences, what a command printed."""
