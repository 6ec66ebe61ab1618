-- While we look who we are and what is there, no timeout of a role or database may count: ours come after that.
SELECT set_config('statement_timeout', '10s', true), set_config('lock_timeout', '2s', true),
  set_config('idle_in_transaction_session_timeout', '30s', true)
