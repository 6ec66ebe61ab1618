-- Write one record into a table that the settings name, with the columns that they allow: the daemon checks both before.
-- What is wrong with the data is an answer and no error, for it fails a step and not the transaction that records it.
-- Names go through %I, values are parameters, and the table's own column types read them.
CREATE FUNCTION resumer.write_record(
  target text, key_column text, identity text, data jsonb, OUT written text, OUT failed_as text, OUT error text
) LANGUAGE plpgsql
AS $f$
DECLARE
  named regclass;
  columns text;
BEGIN
  SELECT pg_catalog.string_agg(pg_catalog.format('%I', k), ', ') INTO columns FROM pg_catalog.jsonb_object_keys(data) AS k;
  named := target::regclass;
  IF identity IS NULL THEN
    EXECUTE pg_catalog.format(
      'INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1) RETURNING %3$I::text',
      named, columns, key_column) INTO written USING data;
    RETURN;
  END IF;
  EXECUTE pg_catalog.format(
    'UPDATE %1$s AS t SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1))'
    ' WHERE t.%3$I = (SELECT r.%3$I FROM jsonb_populate_record(NULL::%1$s, $2) AS r) RETURNING t.%3$I::text',
    named, columns, key_column) INTO written USING data, pg_catalog.jsonb_build_object(key_column, identity);
  IF written IS NULL THEN
    failed_as := '02000';
    error := 'no row with ' || key_column || ' ' || identity;
  END IF;
EXCEPTION
  WHEN serialization_failure OR deadlock_detected OR lock_not_available THEN
    RAISE; -- another attempt of the whole transaction mends it
  WHEN others THEN
    failed_as := SQLSTATE;
    error := SQLERRM;
END
$f$;
REVOKE EXECUTE ON FUNCTION resumer.write_record(text, text, text, jsonb) FROM PUBLIC;
