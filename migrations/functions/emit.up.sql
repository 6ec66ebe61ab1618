-- SQL API, events: `resumer.emit`. `resumer-daemon emit` calls it. It locks nothing.

-- Insert an event. The table's trigger queues it. Returns the id of the event.
CREATE OR REPLACE FUNCTION resumer.emit(event_type text, payload jsonb DEFAULT '{}', organization_id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  emitted uuid := gen_random_uuid();
  event_key text := 'evt_' || left(replace(emitted::text, '-', ''), 16);
  now_there timestamp := resumer.service_now();
  owners uuid[];
BEGIN
  IF coalesce(emit.event_type, '') = '' THEN
    RAISE EXCEPTION 'an event needs a type' USING ERRCODE = 'RZ422';
  END IF;
  PERFORM resumer.check_object('payload', emit.payload), resumer.check_size(emit.payload);
  IF NOT EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = 'service_schema.events'::regclass AND a.attname = 'organization_id' AND NOT a.attisdropped) THEN
    IF emit.organization_id IS NOT NULL THEN
      RAISE EXCEPTION 'this service has no organisations' USING ERRCODE = 'RZ422';
    END IF;
    PERFORM set_config('search_path', resumer.service_path(), true);
    INSERT INTO service_schema.events (id, event_id, event_type, source, payload, received_at)
    VALUES (emitted, event_key, emit.event_type, 'resumer', emit.payload, now_there);
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
  VALUES (emitted, event_key, emit.event_type, 'resumer', emit.payload, now_there, owners[1]);
  RETURN emitted;
END
$f$;

REVOKE ALL ON FUNCTION resumer.emit(text, jsonb, uuid) FROM PUBLIC;
