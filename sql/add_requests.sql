-- Add requests of our own: timers, and the applied rows of decisions that were found without a request.
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, pause_number, due_at, outcome, finished_at)
SELECT v.execution_id, v.kind, v.source_id, v.decision, v.pause_number, coalesce(v.due_at, clock_timestamp()), v.outcome,
  CASE WHEN v.outcome IS NOT NULL THEN clock_timestamp() END
FROM unnest(
    %(execution_ids)s::uuid[], %(kinds)s::text[], %(sources)s::uuid[], %(decisions)s::text[], %(pauses)s::integer[],
    %(due)s::timestamptz[], %(outcomes)s::text[]
  ) AS v (execution_id, kind, source_id, decision, pause_number, due_at, outcome)
