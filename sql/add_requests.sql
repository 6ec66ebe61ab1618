-- Add requests of our own: timers, and looks that are to come.
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, pause_number, due_at)
SELECT v.execution_id, v.kind, v.source_id, v.decision, v.pause_number, coalesce(v.due_at, clock_timestamp())
FROM unnest(
    %(execution_ids)s::uuid[], %(kinds)s::text[], %(sources)s::uuid[], %(decisions)s::text[], %(pauses)s::integer[],
    %(due)s::timestamptz[]
  ) AS v (execution_id, kind, source_id, decision, pause_number, due_at)
