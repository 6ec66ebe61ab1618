-- An event leaves a request without an execution; the daemon makes one for each execution that waits for it.

-- One wait for an event of one open pause. `path` is the place of the branch that waits, empty for a wait at the top level.
-- The transaction that opens a pause writes its rows, and the transaction that ends the pause deletes them. `match` has the
-- rendered values; without it `entities` has the ids that the execution names, because an event that names another one is
-- not meant. `anchor` and `value` are one of these conditions, by which an index finds the wait: `=path` must lead to the
-- value, `~entity` must have it as its id or be absent, and an empty anchor takes every event of the type. An event counts
-- from the request `since_id` on, and from the time `since` where the execution has no start request or no trigger saw the
-- event: a clock that is set back does not change the order of requests.
CREATE TABLE resumer.event_waits (
  execution_id uuid NOT NULL,
  pause_number integer NOT NULL,
  path text NOT NULL DEFAULT '',
  event_type text NOT NULL,
  -- where the service has no organisations, zeros
  organization_id uuid,
  match jsonb NOT NULL DEFAULT '{}',
  entities jsonb NOT NULL DEFAULT '{}',
  anchor text NOT NULL DEFAULT '',
  value text,
  since_id bigint,
  since timestamptz NOT NULL DEFAULT '-infinity',
  -- the event's request up to which a look back has come that could not end in one statement
  looked_to bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (execution_id, pause_number, path)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
-- What a look back finds events by: hashes of what each event has (resumer.event_key), and the event's own request. The daemon
-- writes them and commits before it looks who waits: a look back that does not see them is followed by that look.
CREATE TABLE resumer.event_keys (
  key bigint NOT NULL,
  request_id bigint NOT NULL,
  PRIMARY KEY (key, request_id)
);
CREATE INDEX event_keys_request ON resumer.event_keys (request_id);

-- Which entities the events of a type name together, so that a look back finds those that do not name an entity. At most 64
-- for each type; an event beyond that has the key `*`, which every look back goes through.
CREATE TABLE resumer.event_names (
  event_type text NOT NULL,
  organization_id uuid NOT NULL,
  names text[] NOT NULL,
  PRIMARY KEY (event_type, organization_id, names)
);

CREATE INDEX event_waits_anchor ON resumer.event_waits (event_type, organization_id, anchor, value);

-- A text for an index: of a text, a number or a boolean, as the daemon prints them. NULL for all else, which no index finds.
CREATE FUNCTION resumer.index_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
SELECT CASE WHEN length(t.printed) > 64 THEN md5(t.printed) ELSE t.printed END
FROM (SELECT CASE jsonb_typeof(value)
  WHEN 'number' THEN trim_scale(value::numeric)::text
  WHEN 'string' THEN value #>> '{}'
  WHEN 'boolean' THEN value #>> '{}' END AS printed) AS t
$f$;

-- A key of the events of one type: all of them (an empty term), those with a value (`=order.id=7`), those that name just these
-- entities (`~customer,order`), those that have too much for keys (`*`).
CREATE FUNCTION resumer.event_key(event_type text, organization_id uuid, term text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT hashtextextended(event_type || chr(1) || organization_id::text || chr(1) || term, 0) $f$;

-- The entities that an event names, in order. NULL: too many, or too long, for a key.
CREATE FUNCTION resumer.event_names_of(payload jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
SELECT CASE WHEN count(*) <= 8 AND coalesce(max(length(m.key)), 0) <= 100 THEN coalesce(array_agg(m.key ORDER BY m.key), '{}') END
FROM jsonb_each(CASE jsonb_typeof(payload) WHEN 'object' THEN payload ELSE '{}' END) AS m
WHERE CASE jsonb_typeof(m.value) WHEN 'object' THEN m.value ? 'id' END
$f$;

-- The values that an event has at its top, and in the objects there, as terms of keys. More than 64: `*` in their place.
CREATE FUNCTION resumer.event_terms(payload jsonb) RETURNS text[]
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

-- Whether two values certainly differ. A number or a boolean equals the text it prints as. Two lists, and two objects, are
-- left to the engine, because their members may be equal in that sense.
CREATE FUNCTION resumer.differs(ours jsonb, theirs jsonb) RETURNS boolean
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

-- Whether an event may end a wait: false only where the engine would refuse it (engine/match.py).
CREATE FUNCTION resumer.may_end(match jsonb, entities jsonb, payload jsonb) RETURNS boolean
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

CREATE FUNCTION resumer.on_event_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  IF NOT EXISTS (SELECT FROM new_rows) THEN
    RETURN NULL;
  END IF;
  BEGIN
    INSERT INTO resumer.resume_requests (kind, source_id) SELECT 'event', n.id FROM new_rows n;
    PERFORM resumer.wake();
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

CREATE TRIGGER resumer_event_insert AFTER INSERT ON events
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_event_insert();

-- Write an event; the table's own trigger makes the request of it. Returns the event's id.
CREATE FUNCTION resumer.emit(event_type text, payload jsonb DEFAULT '{}', organization_id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  emitted uuid := gen_random_uuid();
  event_key text := 'evt_' || left(replace(emitted::text, '-', ''), 16);
  written jsonb := coalesce(emit.payload, '{}');
  now_there timestamp := resumer.service_now();
  owners uuid[];
BEGIN
  IF coalesce(emit.event_type, '') = '' THEN
    RAISE EXCEPTION 'an event needs a type' USING ERRCODE = 'RZ422';
  END IF;
  PERFORM resumer.check_size(written);
  IF NOT EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = 'service_schema.events'::regclass AND a.attname = 'organization_id' AND NOT a.attisdropped) THEN
    IF emit.organization_id IS NOT NULL THEN
      RAISE EXCEPTION 'this service has no organisations' USING ERRCODE = 'RZ422';
    END IF;
    PERFORM set_config('search_path', resumer.service_path(), true);
    INSERT INTO service_schema.events (id, event_id, event_type, source, payload, received_at)
    VALUES (emitted, event_key, emit.event_type, 'resumer', written, now_there);
    RETURN emitted;
  END IF;
  SELECT array_agg(o.id) INTO owners FROM service_schema.organizations o
  WHERE emit.organization_id IS NULL OR o.id = emit.organization_id;
  IF owners IS NULL THEN
    RAISE EXCEPTION 'no organisation %', coalesce(emit.organization_id::text, 'at all') USING ERRCODE = 'RZ404';
  ELSIF cardinality(owners) > 1 THEN
    RAISE EXCEPTION 'there are % organisations: an event needs one', cardinality(owners)
      USING ERRCODE = 'RZ422', HINT = 'name it: organization_id => ...';
  END IF;
  PERFORM set_config('search_path', resumer.service_path(), true);
  INSERT INTO service_schema.events (id, event_id, event_type, source, payload, received_at, organization_id)
  VALUES (emitted, event_key, emit.event_type, 'resumer', written, now_there, owners[1]);
  RETURN emitted;
END
$f$;

REVOKE ALL ON FUNCTION resumer.on_event_insert(), resumer.emit(text, jsonb, uuid), resumer.index_text(jsonb),
  resumer.event_key(text, uuid, text), resumer.event_names_of(jsonb), resumer.event_terms(jsonb),
  resumer.differs(jsonb, jsonb), resumer.may_end(jsonb, jsonb, jsonb) FROM PUBLIC;
