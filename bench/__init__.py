"""Benchmarks: what the daemon takes, beside a floor of bare psycopg measured in the same run."""
