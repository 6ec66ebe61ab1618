-- Say what became of effects.
UPDATE resumer.effects f
SET status = v.status, response = v.response, error = v.error, finished_at = clock_timestamp()
FROM unnest(%(keys)s::text[], %(statuses)s::text[], %(responses)s::jsonb[], %(errors)s::text[])
  AS v (key, status, response, error)
WHERE f.key = v.key
