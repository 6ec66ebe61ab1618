-- Write the keys by which a look back finds events, for the oldest events that no daemon has fanned out. Returns their ids.
-- The fan-out begins after this is committed: otherwise a pause that is recorded meanwhile would miss an event that the
-- fan-out cannot hand it either.
WITH due AS (
  SELECT q.id, q.event_id, q.captured_at, q.missed
  FROM resumer.event_queue q
  -- earlier ones may be missing until those of its type have been searched once
  WHERE q.id > %(after)s
    AND (SELECT count(*) FROM resumer.event_types t WHERE t.event_type = q.event_type AND NOT t.complete AND t.mark IS NULL) = 0
  ORDER BY q.id
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED
), happened AS MATERIALIZED (
  SELECT d.id, v.event_type::text AS event_type, v.payload, resumer.event_names_of(v.payload) AS names,
    '00000000-0000-0000-0000-000000000000'::uuid AS organization_id --? no_organization
    v.organization_id --? organization
  FROM due d CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = d.event_id LIMIT 1) AS v
), named AS MATERIALIZED (
  SELECT h.event_type, h.organization_id, h.names, n.names IS NOT NULL AS known,
    (SELECT count(*) FROM resumer.event_names o
     WHERE o.event_type = h.event_type AND o.organization_id = h.organization_id) < 64 AS free
  FROM (SELECT DISTINCT o.event_type, o.organization_id, o.names FROM happened o) AS h
  LEFT JOIN LATERAL (
    SELECT o.names FROM resumer.event_names o
    WHERE o.event_type = h.event_type AND o.organization_id = h.organization_id AND o.names = h.names
    LIMIT 1) AS n ON true
  WHERE h.names IS NOT NULL AND h.organization_id IS NOT NULL
), added AS (
  INSERT INTO resumer.event_names (event_type, organization_id, names)
  SELECT n.event_type, n.organization_id, n.names FROM named n WHERE n.free AND NOT n.known
  ORDER BY n.event_type, n.organization_id, n.names
  ON CONFLICT DO NOTHING
), captured AS (
  INSERT INTO resumer.captured_events (id, event_id, captured_at, missed)
  SELECT d.id, d.event_id, d.captured_at, d.missed FROM due d
  ORDER BY d.id
  ON CONFLICT DO NOTHING
), keyed AS (
  INSERT INTO resumer.event_keys (key, captured_id)
  SELECT DISTINCT resumer.event_key(h.event_type, h.organization_id, t.term), h.id
  FROM happened h
  LEFT JOIN named n ON n.event_type = h.event_type AND n.organization_id = h.organization_id AND n.names = h.names
    AND (n.free OR n.known)
  CROSS JOIN LATERAL unnest(
    ARRAY['', coalesce('~' || array_to_string(n.names, ','), '*')] || resumer.event_terms(h.payload)) AS t (term)
  WHERE h.organization_id IS NOT NULL
  ORDER BY 2, 1
  ON CONFLICT DO NOTHING
)
SELECT d.id FROM due d
