-- Make dead messages due again: those of these keys, or all of them. Returns the keys of those that were dead.
SELECT r.key
FROM unnest(coalesce(%(keys)s::text[], '{NULL}')) AS w (key) CROSS JOIN LATERAL resumer.retry_message(w.key) AS r (key)
