-- Effects of which nobody knows the outcome and that may not be sent twice. A record is written with its outcome.
SELECT f.execution_id, f.key FROM resumer.effects f
WHERE f.execution_id = ANY (%(ids)s::uuid[]) AND f.status = 'intent' AND f.delivery = 'at_most_once' AND f.kind <> 'record'
