"""Where a log keeps its bytes: one schema, one set of queries, a store per kind of database."""
