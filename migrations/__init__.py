"""Migrations, run by `store/migrate.py`; `store/migrations.py` has their order.

`NNNN_name.up.sql` and `.down.sql` hold tables, columns, domains and indexes, and are applied once.
`functions/*`, `views` and `triggers/*` are applied again when their text changes. They say CREATE
OR REPLACE. Where that cannot replace an object (another result type, other names of parameters or
columns), or where an object is gone, their up file drops the old one first: DROP ... IF EXISTS.
"""
