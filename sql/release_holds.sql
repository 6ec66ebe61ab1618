-- End a hold whose time is over, the oldest first, and let a slice go of what a released one stopped or kept. Whoever keeps
-- something by a hold has a share of its row, so its end waits for that; what it kept is let go with the next slice, by a
-- new snapshot.
WITH over AS (
  UPDATE resumer.holds h SET released_at = clock_timestamp(), released_by = 'its time is over'
  WHERE h.released_at IS NULL AND h.id = (
    SELECT o.id FROM resumer.holds o WHERE o.released_at IS NULL AND o.until <= statement_timestamp() ORDER BY o.id LIMIT 1)
  RETURNING 1
), ending AS MATERIALIZED (
  SELECT h.id FROM resumer.holds h
  WHERE h.released_at IS NOT NULL AND h.ended_at IS NULL
  ORDER BY h.id LIMIT 1
  FOR UPDATE SKIP LOCKED
), going AS MATERIALIZED (
  SELECT l.going FROM ending e CROSS JOIN LATERAL resumer.let_go(e.id, %(limit)s) AS l
)
SELECT coalesce((SELECT sum(g.going) FROM going g), 0)::bigint AS hold,
  EXISTS (SELECT FROM over) OR EXISTS (SELECT FROM ending) AS more
