-- How many seconds are left until effects are sent that rest before an attempt, by key.
SELECT f.key, extract(epoch FROM f.next_at - clock_timestamp())::float8 AS seconds FROM resumer.effects f
WHERE f.execution_id = ANY (%(ids)s::uuid[]) AND f.status = 'intent' AND f.next_at > clock_timestamp()
