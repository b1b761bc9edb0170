"""Alembic's migrations of a PostgreSQL log; SQLite files carry a schema version instead."""
