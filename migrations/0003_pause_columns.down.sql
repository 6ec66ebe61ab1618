-- Drop the columns that the up migration added, told by their comment; columns that were there before stay. With
-- --keep-columns all of them stay, with their comments, by which a later run still knows them.
DO $do$
DECLARE
  added name;
BEGIN
  FOR added IN
    SELECT a.attname FROM pg_attribute a
    WHERE a.attrelid = 'service_schema.workflow_executions'::regclass AND NOT a.attisdropped
      AND col_description(a.attrelid, a.attnum) = 'added by resumer-daemon'
      AND current_setting('resumer.keep_columns', true) IS DISTINCT FROM 'on'
  LOOP
    EXECUTE format('ALTER TABLE service_schema.workflow_executions DROP COLUMN %I', added);
  END LOOP;
END
$do$;
