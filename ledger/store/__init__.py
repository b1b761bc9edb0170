"""Where a log is kept: SQLite by default, PostgreSQL by URL. The edge; nothing pure lives here."""
