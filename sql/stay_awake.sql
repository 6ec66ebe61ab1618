-- Keep writers silent for a second more, for we look without being told. Daemons that sleep are told once, when it
-- begins: should we die, somebody has to look for what was committed in silence. A crash of the server ends whoever is awake, so
-- the commit waits for no flush and no standby.
UPDATE resumer.control c SET awake_until = clock_timestamp() + interval '1 second'
FROM (SELECT o.awake_until <= clock_timestamp() AS slept FROM resumer.control o) AS before
WHERE c.notify <> 'off'
RETURNING CASE WHEN before.slept THEN pg_notify('resumer_wake', '') END, set_config('synchronous_commit', 'off', true)
