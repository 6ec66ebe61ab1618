-- Lay an incident over open pauses: each keeps what it waits for, and has it back after a retry.
WITH marked AS (
  UPDATE resumer.pauses p
  SET reason = 'incident', incident = v.incident || pg_catalog.jsonb_build_object('reason', p.reason)
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[], %(incidents)s::jsonb[])
    AS v (execution_id, number, incident)
  WHERE p.execution_id = v.execution_id AND p.number = v.number AND p.reason <> 'incident'
  RETURNING p.execution_id
)
UPDATE workflow_executions e SET paused_reason = 'incident' FROM marked WHERE e.id = marked.execution_id
