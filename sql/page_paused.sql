-- A page of what is paused, for longest first, where the caller reaches it. The indexes have them in this order for each
-- reason by itself, of one organisation or of all: so many of each are read, and no more, however many there are.
SELECT page.execution_id AS id, page.paused_at AS at, resumer.status(page.execution_id)::text AS document
FROM (
  SELECT p.execution_id, p.paused_at
  FROM unnest(%(reasons)s::text[]) AS r (reason)
  CROSS JOIN LATERAL (
    (SELECT o.execution_id, o.paused_at
     FROM resumer.pauses o
     JOIN workflow_executions e ON e.id = o.execution_id
     -- a range, and in its order: a plan for any reason or organisation would rather walk what all others have
     WHERE o.reason BETWEEN r.reason AND r.reason AND o.resumed_at IS NULL
       AND (o.paused_at, o.execution_id) > (coalesce(%(at)s::timestamptz, '-infinity'), %(id)s::uuid)
       AND %(everywhere)s --? organization
     ORDER BY o.reason, o.paused_at, o.execution_id
     LIMIT %(limit)s)
    UNION ALL --? organization
    (SELECT o.execution_id, o.paused_at --? organization
     FROM resumer.pauses o --? organization
     JOIN workflow_executions e ON e.id = o.execution_id --? organization
     WHERE NOT %(everywhere)s AND o.organization_id BETWEEN %(organization)s AND %(organization)s --? organization
       AND o.reason BETWEEN r.reason AND r.reason AND o.resumed_at IS NULL --? organization
       AND (o.paused_at, o.execution_id) > (coalesce(%(at)s::timestamptz, '-infinity'), %(id)s::uuid) --? organization
     ORDER BY o.organization_id, o.reason, o.paused_at, o.execution_id --? organization
     LIMIT %(limit)s) --? organization
  ) AS p
  ORDER BY p.paused_at, p.execution_id
  LIMIT %(limit)s) AS page
ORDER BY page.paused_at, page.execution_id
