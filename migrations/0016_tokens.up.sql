-- Who may come in over HTTP, and what was asked for under which Idempotency-Key.

-- One token: its SHA-256, for the token itself is shown once. Without an organisation it is good for all of them.
CREATE TABLE resumer.tokens (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  sha256 text NOT NULL UNIQUE,
  permissions text[] NOT NULL,
  organization_id uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by text NOT NULL DEFAULT session_user,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
-- The name is the actor of what was asked with it: of those in force only one has it.
CREATE UNIQUE INDEX tokens_name ON resumer.tokens (name) WHERE revoked_at IS NULL;

-- One POST that was made with an Idempotency-Key, and the request that it left: a repetition is answered the same.
CREATE TABLE resumer.idempotency_keys (
  caller text NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL,
  request bigint,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (caller, key)
) WITH (fillfactor = 80);
CREATE INDEX idempotency_keys_age ON resumer.idempotency_keys (created_at);
