-- The notification that wakes the daemon.
--
-- Every trigger function and every function of the SQL API sends it. The payload is constant, so any number of them in one
-- transaction is one notification. Locks: none.

-- One row if triggers must notify. With `auto` they do not if two-phase commit is in use, because a transaction that has notified
-- cannot be prepared.
CREATE OR REPLACE VIEW resumer.notify_enabled AS
SELECT FROM resumer.control c
-- a snapshot that is older than this statement may see a daemon poll long after it stopped: it notifies in any case
WHERE (c.polling_until <= clock_timestamp() OR current_setting('transaction_isolation') <> 'read committed')
  AND (c.notify = 'on' OR (c.notify = 'auto' AND current_setting('max_prepared_transactions') = '0'));

CREATE OR REPLACE FUNCTION resumer.wake() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT pg_notify('resumer_wake', '') FROM resumer.notify_enabled $f$;

REVOKE ALL ON FUNCTION resumer.wake() FROM PUBLIC;
