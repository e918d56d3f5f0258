"""What a release may change while the last one runs: a column that it does not know, an index, a static file."""
