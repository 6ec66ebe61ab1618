-- Drop the columns that the up migration added, told by their comment; columns that were there before stay.
DO $do$
DECLARE
  added name;
BEGIN
  FOR added IN
    SELECT a.attname FROM pg_attribute a
    WHERE a.attrelid = 'workflow_executions'::regclass AND NOT a.attisdropped
      AND col_description(a.attrelid, a.attnum) = 'added by resumer-daemon'
  LOOP
    EXECUTE format('ALTER TABLE workflow_executions DROP COLUMN %I', added);
  END LOOP;
END
$do$;
