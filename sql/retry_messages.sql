-- Make dead messages due again, with all their attempts before them; whom they have reached is not told twice.
UPDATE resumer.outbox o
SET state = 'pending', attempts = 0, next_at = clock_timestamp()
WHERE o.state = 'dead' AND (%(keys)s::text[] IS NULL OR o.key = ANY (%(keys)s::text[]))
RETURNING o.key
