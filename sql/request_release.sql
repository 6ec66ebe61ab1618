-- Release what the caller holds under this name, or others of its organisation do; returns how many executions go on.
SELECT resumer.release(
  %(workflow)s, actor => %(actor)s::text, per_second => %(per_second)s
  , organization_id => CASE WHEN NOT %(everywhere)s THEN %(organization)s::uuid END --? organization
) AS request
WHERE true
  AND (%(everywhere)s OR %(organization)s::uuid IS NOT NULL) --? organization
