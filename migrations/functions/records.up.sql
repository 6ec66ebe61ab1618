-- Write the records of `create_record` and `update_record` steps. The daemon calls it (outbox.write_record).

-- Write one record into a table that the settings name, with the columns that they allow. The daemon has checked both.
-- An error in the data is returned, because it must fail the step and not the transaction that records it.
-- Names go through %I, values are parameters, and the column types of the table parse them. The table's triggers run with
-- `path`. Statements under that path qualify their operators and functions, because other roles may create some there.
CREATE OR REPLACE FUNCTION resumer.write_record(
  target text, key_column text, identity text, data jsonb, path text, OUT written text, OUT failed_as text, OUT error text
) LANGUAGE plpgsql SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  full_name text;
  columns text;
BEGIN
  SELECT string_agg(format('%I', k), ', ') INTO columns FROM jsonb_object_keys(data) AS k;
  full_name := target::regclass; -- with its schema, which is not on our path
  PERFORM set_config('search_path', path, true);
  IF identity IS NULL THEN
    EXECUTE pg_catalog.format(
      'INSERT INTO %1$s (%2$s) SELECT %2$s FROM pg_catalog.jsonb_populate_record(NULL::%1$s, $1)'
      ' RETURNING %3$I::pg_catalog.text', full_name, columns, key_column) INTO written USING data;
    RETURN;
  END IF;
  EXECUTE pg_catalog.format(
    'UPDATE %1$s AS t SET (%2$s) = (SELECT %2$s FROM pg_catalog.jsonb_populate_record(NULL::%1$s, $1))'
    ' WHERE t.%3$I OPERATOR(pg_catalog.=) (SELECT r.%3$I FROM pg_catalog.jsonb_populate_record(NULL::%1$s, $2) AS r)'
    ' RETURNING t.%3$I::pg_catalog.text', full_name, columns, key_column) INTO written USING data, pg_catalog.jsonb_build_object(key_column, identity);
  IF written IS NULL THEN
    failed_as := '02000';
    error := pg_catalog.concat('no row with ', key_column, ' ', identity);
  END IF;
EXCEPTION
  WHEN serialization_failure OR deadlock_detected OR lock_not_available THEN
    RAISE; -- another attempt of the whole transaction mends it
  WHEN others THEN
    failed_as := SQLSTATE;
    error := SQLERRM;
END
$f$;

REVOKE ALL ON FUNCTION resumer.write_record(text, text, text, jsonb, text) FROM PUBLIC;
