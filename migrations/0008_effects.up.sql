-- The journal of what leaves the database: the intent before, the outcome after.
CREATE TABLE resumer.effects (
  key text PRIMARY KEY,
  execution_id uuid NOT NULL,
  path text NOT NULL,
  kind text NOT NULL,
  request jsonb NOT NULL,
  delivery text NOT NULL,
  status text NOT NULL CHECK (status IN ('intent', 'done', 'failed')),
  attempts integer NOT NULL,
  response jsonb,
  error text,
  epoch bigint NOT NULL,
  intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  next_at timestamptz -- before it, the attempt is not made
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX effects_execution ON resumer.effects (execution_id);
