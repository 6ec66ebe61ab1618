-- Write what became of requests, and why where it needs saying. A held one is parked, not finished.
UPDATE resumer.resume_requests r
SET outcome = v.outcome, reason = coalesce(v.reason, r.reason),
  organization_id = v.organization, --? organization
  finished_at = CASE WHEN v.outcome <> 'held' THEN clock_timestamp() END
FROM unnest(%(ids)s::bigint[], %(outcomes)s::text[], %(reasons)s::text[]
  , %(organizations)s::uuid[] --? organization
) AS v (id, outcome, reason
  , organization --? organization
)
WHERE r.id = v.id
