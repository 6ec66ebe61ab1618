-- Make texts safe to print in a terminal and to paste into psql or a shell. Other functions call these. Locks: none.

-- Return whether a text has control characters or invisible ones, such as those that change the direction of text.
CREATE OR REPLACE FUNCTION resumer.has_control_characters(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT value ~ (E'[\\u0001-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb'
    || E'\\U000e0000-\\U000e007f]')
$f$;

-- Return a text with these characters escaped, as an E'' literal of PostgreSQL reads them.
CREATE OR REPLACE FUNCTION resumer.printable(value text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN resumer.has_control_characters(value) THEN (
    SELECT string_agg(CASE WHEN NOT resumer.has_control_characters(c.one) THEN c.one
        WHEN ascii(c.one) < 128 THEN E'\\x' || lpad(to_hex(ascii(c.one)), 2, '0')
        WHEN ascii(c.one) < 65536 THEN E'\\u' || lpad(to_hex(ascii(c.one)), 4, '0')
        ELSE E'\\U' || lpad(to_hex(ascii(c.one)), 8, '0') END, '' ORDER BY c.n)
    FROM regexp_split_to_table(value, '') WITH ORDINALITY AS c (one, n)) ELSE value END
$f$;

-- Return a text as a literal of PostgreSQL without control characters.
CREATE OR REPLACE FUNCTION resumer.quoted(value text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN resumer.has_control_characters(value)
    THEN 'E''' || resumer.printable(replace(replace(value, E'\\', E'\\\\'), '''', '''''')) || '''' ELSE quote_nullable(value) END
$f$;

-- Return a text as an argument for a POSIX shell, or NULL if it is not safe to paste: it has control characters, or begins like an
-- option.
CREATE OR REPLACE FUNCTION resumer.shell(value text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN value LIKE '-%' OR resumer.has_control_characters(value) THEN NULL
    WHEN value ~ '^[A-Za-z0-9_@%+=:,./-]+$' THEN value
    ELSE '''' || replace(value, '''', '''"''"''') || '''' END
$f$;

REVOKE ALL ON FUNCTION resumer.has_control_characters(text), resumer.printable(text), resumer.quoted(text),
  resumer.shell(text) FROM PUBLIC;
