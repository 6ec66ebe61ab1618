-- The trigger function that captures events: it queues each event, and the daemon inserts a request for each execution that
-- waits for it.
--
-- `triggers/events` calls it. As with all triggers, an error becomes a WARNING, and a locked queue costs a transaction 100 ms once.

-- An event that no execution may wait for is not captured (resumer.control.event_capture). A transaction whose snapshot is older
-- than this statement may not see a type that was registered before. Its events are captured in any case.
CREATE OR REPLACE FUNCTION resumer.on_event_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
DECLARE
  capture text;
BEGIN
  IF current_setting('resumer.given_up', true) = 'on' THEN
    RETURN NULL;
  END IF;
  BEGIN
    IF NOT EXISTS (SELECT FROM new_rows) THEN
      RETURN NULL;
    END IF;
    SELECT CASE WHEN c.event_capture = 'awaited' AND current_setting('transaction_isolation') <> 'read committed' THEN 'all'
      ELSE c.event_capture END INTO capture
    FROM resumer.control c;
    IF capture = 'off' THEN
      RETURN NULL;
    END IF;
    INSERT INTO resumer.event_queue (event_id, event_type)
    SELECT n.id, n.event_type FROM new_rows n
    WHERE capture = 'all' OR EXISTS (SELECT FROM resumer.event_types t WHERE t.event_type = n.event_type::text);
    IF FOUND THEN
      PERFORM resumer.wake();
    END IF;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    PERFORM set_config('resumer.given_up', CASE SQLSTATE WHEN '55P03' THEN 'on' ELSE '' END, true);
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

REVOKE ALL ON FUNCTION resumer.on_event_insert() FROM PUBLIC;
