-- Have writers call again: we stop looking. Another daemon that is awake says so again within half a second. What a crash
-- of the server loses of it runs out within a second, so the commit waits for no flush and no standby.
UPDATE resumer.control SET awake_until = '-infinity' WHERE awake_until <> '-infinity'
RETURNING set_config('synchronous_commit', 'off', true)
