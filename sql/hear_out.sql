-- No timeout of a role or database may end a connection that is silent by trade.
SELECT set_config('idle_session_timeout', '0', false), set_config('statement_timeout', '10s', false)
