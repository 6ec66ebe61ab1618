-- One message to deliver from inside the database: written with the step that sends it, so never lost and never sent
-- by a step that did not commit. `key` is the Idempotency-Key of every attempt.
CREATE TABLE resumer.outbox (
  key text PRIMARY KEY,
  execution_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('notify', 'create_record', 'update_record')),
  body jsonb NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  error text,
  reached text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  delivered_at timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX outbox_due ON resumer.outbox (next_at) WHERE state = 'pending' AND kind = 'notify';
-- What a scrape counts: there should be none.
CREATE INDEX outbox_dead ON resumer.outbox (created_at) WHERE state = 'dead';
CREATE INDEX outbox_execution ON resumer.outbox (execution_id);
