-- Match events with waits: the keys by which an index finds an event, and the comparison.
--
-- The daemon's statements call these functions. The engine decides; they only exclude what it would reject. Locks: none.

-- Return a text, a number or a boolean as the daemon prints it, for an index. NULL for everything else.
CREATE OR REPLACE FUNCTION resumer.index_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
SELECT CASE WHEN length(t.printed) > 64 THEN md5(t.printed) ELSE t.printed END
FROM (SELECT CASE jsonb_typeof(value)
  WHEN 'number' THEN trim_scale(value::numeric)::text
  WHEN 'string' THEN value #>> '{}'
  WHEN 'boolean' THEN value #>> '{}' END AS printed) AS t
$f$;

-- Return the key of events of one type: of all (an empty term), of those with a value (`=order.id=7`), of those that name exactly
-- these entities (`~customer,order`), of those that have too many values for keys (`*`).
CREATE OR REPLACE FUNCTION resumer.event_key(event_type text, organization_id uuid, term text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT hashtextextended(event_type || chr(1) || organization_id::text || chr(1) || term, 0) $f$;

-- Return the entities that an event names, in order. NULL: too many or too long for a key.
CREATE OR REPLACE FUNCTION resumer.event_names_of(payload jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
SELECT CASE WHEN count(*) <= 8 AND coalesce(max(length(m.key)), 0) <= 100 THEN coalesce(array_agg(m.key ORDER BY m.key), '{}') END
FROM jsonb_each(CASE jsonb_typeof(payload) WHEN 'object' THEN payload ELSE '{}' END) AS m
WHERE CASE jsonb_typeof(m.value) WHEN 'object' THEN m.value ? 'id' END
$f$;

-- Return the values at the top level of an event, and in the objects there, as terms of keys. `*` if there are more than 64.
CREATE OR REPLACE FUNCTION resumer.event_terms(payload jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
WITH top AS MATERIALIZED (
  SELECT m.key, m.value, jsonb_typeof(m.value) AS kind
  FROM jsonb_each(CASE jsonb_typeof(payload) WHEN 'object' THEN payload ELSE '{}' END) AS m
), terms AS (
  SELECT '=' || t.key || '=' || resumer.index_text(t.value) AS term FROM top t WHERE t.kind IN ('string', 'number')
  UNION ALL
  SELECT '=' || t.key || '.' || m.key || '=' || resumer.index_text(m.value)
  FROM top t CROSS JOIN LATERAL jsonb_each(CASE t.kind WHEN 'object' THEN t.value ELSE '{}' END) AS m
  WHERE jsonb_typeof(m.value) IN ('string', 'number')
)
SELECT CASE WHEN count(*) <= 64 THEN coalesce(array_agg(f.term), '{}') ELSE '{*}' END FROM (SELECT t.term FROM terms t LIMIT 65) AS f
$f$;

-- Return whether two values certainly differ. A number or a boolean equals the text that it prints as. Lists and objects are
-- left to the engine, because their members may be equal in that sense.
CREATE OR REPLACE FUNCTION resumer.differs(ours jsonb, theirs jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
SELECT CASE
  WHEN k.mine = k.other THEN k.mine NOT IN ('array', 'object') AND ours <> theirs
  WHEN 'string' NOT IN (k.mine, k.other) THEN true
  WHEN 'number' = k.mine THEN trim_scale(ours::numeric)::text <> (theirs #>> '{}')
  WHEN 'number' = k.other THEN trim_scale(theirs::numeric)::text <> (ours #>> '{}')
  WHEN 'boolean' IN (k.mine, k.other) THEN (ours #>> '{}') <> (theirs #>> '{}')
  ELSE true END
FROM (SELECT jsonb_typeof(ours) AS mine, jsonb_typeof(theirs) AS other) AS k
$f$;

-- Return whether an event may end a wait: false only if the engine would reject it (engine/event_matching.py).
CREATE OR REPLACE FUNCTION resumer.may_end(match jsonb, entities jsonb, payload jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
SELECT CASE WHEN match = '{}' THEN NOT EXISTS (
  SELECT FROM jsonb_each(entities) AS e
  WHERE jsonb_typeof(payload -> e.key) = 'object' AND resumer.differs(e.value, payload -> e.key -> 'id'))
ELSE jsonb_typeof(payload) = 'object' AND NOT EXISTS (
  SELECT FROM jsonb_each(match) AS m
  WHERE m.key <> '' AND m.key NOT LIKE '%.length'
    AND coalesce(resumer.differs(m.value, payload #> string_to_array(m.key, '.')), true)
    AND coalesce(resumer.differs(m.value, payload -> m.key), true)) END
$f$;

REVOKE ALL ON FUNCTION resumer.index_text(jsonb), resumer.event_key(text, uuid, text), resumer.event_names_of(jsonb),
  resumer.event_terms(jsonb), resumer.differs(jsonb, jsonb), resumer.may_end(jsonb, jsonb, jsonb) FROM PUBLIC;
