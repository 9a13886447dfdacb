"""Results for people: `markdown` puts them into words and tables, `tables` into CSV, `charts` into pictures."""
