-- An event leaves a request without an execution; the daemon makes one for each execution that waits for it.
-- `triggers/events` binds this function.

CREATE OR REPLACE FUNCTION resumer.on_event_insert() RETURNS trigger
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

REVOKE ALL ON FUNCTION resumer.on_event_insert() FROM PUBLIC;
