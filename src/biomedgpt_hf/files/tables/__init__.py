"""CSV, TSV, JSON Lines and Parquet, row by row."""
