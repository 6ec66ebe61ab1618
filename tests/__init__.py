"""Tests, on a real PostgreSQL: `make test` finds or brings one."""
