-- Write what became of requests. A held one is parked, not finished.
UPDATE resumer.resume_requests r
SET outcome = v.outcome, finished_at = CASE WHEN v.outcome <> 'held' THEN clock_timestamp() END
FROM unnest(%(ids)s::bigint[], %(outcomes)s::text[]) AS v (id, outcome)
WHERE r.id = v.id
