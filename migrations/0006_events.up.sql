-- An event leaves a request without an execution; the daemon makes one for each execution that waits for it.

CREATE INDEX requests_events ON resumer.resume_requests (requested_at) WHERE kind = 'event' AND execution_id IS NULL;
CREATE INDEX requests_events_open ON resumer.resume_requests (id)
  WHERE kind = 'event' AND execution_id IS NULL AND outcome IS NULL;
CREATE INDEX pauses_event ON resumer.pauses ((waiting ->> 'event'))
  WHERE resumed_at IS NULL AND reason = 'waiting_for_event';

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
  EXCEPTION WHEN OTHERS THEN
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $f$
DECLARE
  emitted uuid := gen_random_uuid();
  event_key text := 'evt_' || left(replace(emitted::text, '-', ''), 16);
BEGIN
  IF coalesce(emit.event_type, '') = '' THEN
    RAISE EXCEPTION 'an event needs a type' USING ERRCODE = 'RZ422';
  END IF;
  IF emit.organization_id IS NULL THEN
    INSERT INTO events (id, event_id, event_type, source, payload, received_at)
    VALUES (emitted, event_key, emit.event_type, 'resumer', coalesce(emit.payload, '{}'), resumer.service_now());
  ELSE
    INSERT INTO events (id, event_id, event_type, source, payload, received_at, organization_id)
    VALUES (emitted, event_key, emit.event_type, 'resumer', coalesce(emit.payload, '{}'), resumer.service_now(),
      emit.organization_id);
  END IF;
  RETURN emitted;
EXCEPTION WHEN not_null_violation THEN
  RAISE EXCEPTION 'this service has organisations: an event needs one'
    USING ERRCODE = 'RZ422', HINT = 'name it: organization_id => ...';
END
$f$;

REVOKE ALL ON FUNCTION resumer.on_event_insert(), resumer.emit(text, jsonb, uuid) FROM PUBLIC;
