-- SQL API, messages: `resumer.retry_message`. `resumer-daemon outbox retry` calls it. It locks the rows of the messages.

-- Make a dead message due again with all its attempts, or all dead messages. A receiver that has received one does not get it
-- twice. Returns the keys.
CREATE OR REPLACE FUNCTION resumer.retry_message(key text DEFAULT NULL) RETURNS SETOF text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  UPDATE resumer.outbox o
  SET state = 'pending', attempts = 0, next_at = clock_timestamp()
  WHERE o.state = 'dead' AND (retry_message.key IS NULL OR o.key = retry_message.key)
  RETURNING o.key
$f$;

REVOKE ALL ON FUNCTION resumer.retry_message(text) FROM PUBLIC;
