-- Disable our triggers again that were disabled before they were created anew, and so for other states.
DO $do$
DECLARE
  changed record;
BEGIN
  FOR changed IN
    SELECT format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass,
      CASE s.value WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END,
      t.tgname) AS statement
    FROM jsonb_each_text(current_setting('resumer.trigger_states')::jsonb) AS s
    JOIN pg_trigger t ON t.tgname = s.key AND NOT t.tgisinternal
    JOIN pg_proc f ON f.oid = t.tgfoid AND f.pronamespace = to_regnamespace('resumer')
    WHERE t.tgenabled::text <> s.value
  LOOP
    EXECUTE changed.statement;
  END LOOP;
END
$do$
