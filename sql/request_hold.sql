-- Hold a workflow that the caller reaches, or everything within its reach; of an organisation's caller, its own alone.
SELECT resumer.hold(
  %(workflow)s, reason => %(reason)s::text, actor => %(actor)s::text, ttl => make_interval(secs => %(seconds)s::integer)
  , organization_id => CASE WHEN NOT %(everywhere)s THEN %(organization)s::uuid END --? organization
) AS request
WHERE (%(workflow)s = '*' OR EXISTS (
    SELECT FROM workflows w
    WHERE w.workflow_id = %(workflow)s
      AND (%(everywhere)s OR w.organization_id = %(organization)s) --? organization
  ))
  AND (%(everywhere)s OR %(organization)s::uuid IS NOT NULL) --? organization
