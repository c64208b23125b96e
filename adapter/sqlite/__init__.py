"""Opens opencode's SQLite files, reads them and notices when they change."""
