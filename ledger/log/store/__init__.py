"""The storage of a log: one schema, one set of queries, a store per kind of database."""
