-- The process that really serves this connection; a pooler announced another one.
SELECT pg_catalog.pg_backend_pid()
