-- The identity columns of schema `resumer`, for `doctor`: after a switch to a logical copy their sequences begin at 1.

-- Each identity column with the last value of its sequence and the highest value in use. NULL: none yet. The ids of requests
-- go with them to the ledger, and the events take theirs from the same sequence.
CREATE OR REPLACE FUNCTION resumer.identities(
  OUT relation text, OUT identity text, OUT last_value bigint, OUT highest bigint
) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
BEGIN
  FOR relation, identity IN
    SELECT c.oid::regclass::text, a.attname::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'resumer'::regnamespace AND c.relkind IN ('r', 'p') AND a.attidentity <> '' AND NOT a.attisdropped
    ORDER BY 1, 2
  LOOP
    last_value := pg_sequence_last_value(pg_get_serial_sequence('resumer.' || relation, identity)::regclass);
    EXECUTE format('SELECT max(t.%I) FROM resumer.%I AS t', identity, relation) INTO highest;
    IF relation = 'resume_requests' THEN
      highest := greatest(highest, (SELECT max(s.id) FROM resumer.settled_requests s), (SELECT max(q.id) FROM resumer.event_queue q),
        (SELECT max(c.id) FROM resumer.captured_events c));
    END IF;
    RETURN NEXT;
  END LOOP;
END
$f$;

REVOKE ALL ON FUNCTION resumer.identities() FROM PUBLIC;
