-- Keep which of our triggers are disabled or always fire, until `restore_trigger_states` in the same transaction.
SELECT pg_catalog.set_config('resumer.trigger_states', coalesce(jsonb_object_agg(t.tgname, t.tgenabled), '{}')::text, true)
FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
WHERE f.pronamespace = to_regnamespace('resumer') AND NOT t.tgisinternal
