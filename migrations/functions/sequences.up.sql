-- The sequences of schema `resumer`, for `doctor`. After a switch to a logical replica they begin at 1. Locks: none.

-- Return each sequence of an identity column with its last value, and the highest value in the table (NULL: none). Tables whose
-- `id` has no sequence have ids of requests.
CREATE OR REPLACE FUNCTION resumer.sequences(OUT sequence text, OUT last_value bigint, OUT highest bigint) RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  here record;
  found bigint;
BEGIN
  FOR here IN
    SELECT coalesce(pg_get_serial_sequence('resumer.' || quote_ident(c.relname), a.attname), 'resumer.resume_requests_id_seq') AS name,
      a.attname AS of, array_agg(c.relname) AS tables
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'resumer'::regnamespace AND c.relkind IN ('r', 'p') AND (a.attname = 'id' OR a.attidentity <> '')
      AND a.atttypid = 'bigint'::regtype AND NOT c.relispartition
    GROUP BY 1, 2 ORDER BY 1
  LOOP
    sequence := here.name;
    last_value := pg_sequence_last_value(here.name::regclass);
    highest := NULL;
    FOR i IN 1 .. cardinality(here.tables) LOOP
      EXECUTE format('SELECT max(t.%I) FROM resumer.%I AS t', here.of, here.tables[i]) INTO found;
      highest := greatest(highest, found);
    END LOOP;
    RETURN NEXT;
  END LOOP;
END
$f$;

REVOKE ALL ON FUNCTION resumer.sequences() FROM PUBLIC;
