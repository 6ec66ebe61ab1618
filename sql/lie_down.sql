-- Have writers call again: we stop looking. Another daemon that is awake says so again within half a second.
UPDATE resumer.control SET awake_until = '-infinity' WHERE awake_until <> '-infinity'
