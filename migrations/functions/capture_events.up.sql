-- An event is entered in the queue of events; the daemon makes a request of it for each execution that waits for it.
-- `triggers/events` binds this function.

CREATE OR REPLACE FUNCTION resumer.on_event_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  IF NOT EXISTS (SELECT FROM new_rows) THEN
    RETURN NULL;
  END IF;
  BEGIN
    INSERT INTO resumer.event_queue (event_id, event_type) SELECT n.id, n.event_type FROM new_rows n;
    PERFORM resumer.wake();
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

REVOKE ALL ON FUNCTION resumer.on_event_insert() FROM PUBLIC;
