-- The pause columns of `workflow_executions`, if the service has none.
--
-- The daemon writes them with each pause and resume, so that the service sees a pause without reading schema `resumer`. The
-- record of the pause is in `resumer.pauses`. A column that is added here has a comment. An existing column is not changed.
-- Locks: ADD COLUMN takes ACCESS EXCLUSIVE on the table for a change of the catalog, so readers and writers wait that long. Each
-- column is nullable or has a constant default, so the table is never rewritten or scanned. If no column is missing, no lock
-- is taken.
DO $do$
DECLARE
  added record;
BEGIN
  FOR added IN
    SELECT wanted.name, wanted.definition
    FROM (VALUES
      ('paused_at', 'timestamp'),
      ('paused_reason', 'varchar(255)'),
      ('paused_step_id', 'varchar(255)'),
      ('next_step_id', 'varchar(255)'),
      ('resume_data', 'jsonb'),
      ('resume_count', 'integer DEFAULT 0'),
      ('last_resumed_at', 'timestamp')
    ) AS wanted (name, definition)
    WHERE NOT EXISTS (
      SELECT FROM pg_attribute a
      WHERE a.attrelid = 'service_schema.workflow_executions'::regclass AND a.attname = wanted.name AND NOT a.attisdropped)
    ORDER BY wanted.name -- the same table every time, whatever the plan
  LOOP
    EXECUTE format('ALTER TABLE service_schema.workflow_executions ADD COLUMN %I %s', added.name, added.definition);
    EXECUTE format('COMMENT ON COLUMN service_schema.workflow_executions.%I IS %L', added.name, 'added by resumer-daemon');
  END LOOP;
END
$do$;
