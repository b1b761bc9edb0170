"""Segments: sealed ranges of a log as Parquet files, from which every leaf can be written again."""
