-- Set up a connection, prove that it serves, and listen on it.
-- Run by store/connection.py.

-- name: apply_settings
-- Apply the settings of every connection, whatever the role, the database or the server imposes. They are set once
-- for a session that keeps its backend, otherwise `local` to each transaction.
-- They cover everything that changes the text or meaning of what is sent or read, or that ends the session.
-- tests/resilience/test_imposed.py goes through pg_settings and knows each setting that a session may change.
-- `default_transaction_read_only` is respected, and so is `synchronous_commit`, except that `off` becomes `local`: an
-- intent is flushed before its effect is sent.
-- Some settings do not exist on older servers. The search path excludes the schemas of other roles, because the
-- daemon must not call what they create there.
SELECT
  pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', %(local)s),
  pg_catalog.set_config('DateStyle', 'ISO, MDY', %(local)s),
  pg_catalog.set_config('IntervalStyle', 'postgres', %(local)s),
  pg_catalog.set_config('TimeZone', 'UTC', %(local)s),
  pg_catalog.set_config('extra_float_digits', '1', %(local)s),
  pg_catalog.set_config('bytea_output', 'hex', %(local)s),
  pg_catalog.set_config('array_nulls', 'on', %(local)s),
  pg_catalog.set_config('quote_all_identifiers', 'off', %(local)s),
  pg_catalog.set_config('standard_conforming_strings', 'on', %(local)s),
  pg_catalog.set_config('escape_string_warning', 'on', %(local)s),
  pg_catalog.set_config('backslash_quote', 'safe_encoding', %(local)s),
  pg_catalog.set_config('transform_null_equals', 'off', %(local)s),
  pg_catalog.set_config('xmlbinary', 'base64', %(local)s),
  pg_catalog.set_config('xmloption', 'content', %(local)s),
  pg_catalog.set_config('gin_fuzzy_search_limit', '0', %(local)s),
  pg_catalog.set_config('client_min_messages', 'notice', %(local)s),
  pg_catalog.set_config('row_security', 'on', %(local)s),
  pg_catalog.set_config('check_function_bodies', 'on', %(local)s),
  pg_catalog.set_config('default_table_access_method', 'heap', %(local)s),
  pg_catalog.set_config('default_transaction_isolation', 'read committed', %(local)s),
  pg_catalog.set_config('default_transaction_deferrable', 'off', %(local)s),
  pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'local'
    ELSE pg_catalog.current_setting('synchronous_commit') END, %(local)s),
  pg_catalog.set_config('exit_on_error', 'off', %(local)s),
  pg_catalog.set_config('statement_timeout', '10s', %(local)s),
  pg_catalog.set_config('lock_timeout', '2s', %(local)s),
  pg_catalog.set_config('idle_in_transaction_session_timeout', '30s', %(local)s),
  CASE WHEN pg_catalog.current_setting('idle_session_timeout', true) IS NOT NULL
    THEN pg_catalog.set_config('idle_session_timeout', '0', %(local)s) END,
  CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
    THEN pg_catalog.set_config('transaction_timeout', '0', %(local)s) END,
  CASE WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
    THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', '', %(local)s) END

-- name: backend_pid
-- Return the process that serves this connection. A pooler announces another one.
SELECT pg_catalog.pg_backend_pid()

-- name: listen
-- Receive notifications. The connection is in autocommit, so this takes effect at once. The daemon polls after it.
LISTEN resumer_wake

-- name: ping
-- Send a test notification. It must come back to this connection.
SELECT pg_catalog.pg_notify('resumer_wake', 'ping')
