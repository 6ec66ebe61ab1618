-- Helpers of the SQL API: the service's clock and search path, and checks of documents. Locks: none.

-- Return the current time in the zone of the service's zone-less columns.
CREATE OR REPLACE FUNCTION resumer.service_now() RETURNS timestamp
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT statement_timestamp() AT TIME ZONE c.service_timezone FROM resumer.control c
$f$;

-- Return the search path for triggers of the service's tables: that of the database, or the service's schema. The caller cannot
-- choose it. Statements under it qualify their operators and call no other functions.
CREATE OR REPLACE FUNCTION resumer.service_path() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT coalesce((
      SELECT substr(c.setting, 13) FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
      WHERE s.setrole = 0 AND s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND c.setting LIKE E'search\\_path=%'),
    n.name || ', pg_temp')
  FROM (SELECT quote_ident(o.nspname) AS name FROM pg_namespace o WHERE o.oid = to_regnamespace('service_schema')) AS n
$f$;

-- Refuse a document that is larger than RESUMER_DOCUMENT_BYTES, before it is written.
CREATE OR REPLACE FUNCTION resumer.check_size(document jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  allowed bigint := (SELECT c.document_bytes FROM resumer.control c);
  found bigint := octet_length(document::text);
BEGIN
  IF found > allowed THEN
    RAISE EXCEPTION 'the payload has % bytes, at most % are allowed', found, allowed
      USING ERRCODE = 'RZ413', HINT = 'store the document elsewhere and pass a reference to it, or raise RESUMER_DOCUMENT_BYTES';
  END IF;
END
$f$;

-- Refuse a document that is not a JSON object, because conditions and templates refer to its names.
CREATE OR REPLACE FUNCTION resumer.check_object(what text, document jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
BEGIN
  IF jsonb_typeof(document) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION 'the % has to be a JSON object, and is %', what,
      coalesce('of type ' || jsonb_typeof(document), 'NULL')
      USING ERRCODE = 'RZ422', HINT = 'conditions and templates look for the names in it; without any it is ''{}''';
  END IF;
END
$f$;

REVOKE ALL ON FUNCTION resumer.service_now(), resumer.service_path(), resumer.check_size(jsonb),
  resumer.check_object(text, jsonb) FROM PUBLIC;
