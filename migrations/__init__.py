"""Migrations: `NNNN_name.up.sql` and `NNNN_name.down.sql`, run by `store/migrate.py`."""
