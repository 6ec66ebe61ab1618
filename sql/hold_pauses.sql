-- Lay a person's hand over open pauses: each keeps what it waits for, and has it back after the resume.
WITH held AS (
  UPDATE resumer.pauses p
  SET reason = 'manual', held = v.hold || pg_catalog.jsonb_build_object('before', p.reason, 'since', clock_timestamp())
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[], %(holds)s::jsonb[]) AS v (execution_id, number, hold)
  WHERE p.execution_id = v.execution_id AND p.number = v.number
  RETURNING p.execution_id
)
UPDATE workflow_executions e SET paused_reason = 'manual'
FROM held WHERE e.id = held.execution_id
