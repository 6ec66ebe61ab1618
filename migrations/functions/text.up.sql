-- Make texts safe to print in a terminal and to paste into psql or a shell. Other functions call these. Locks: none.

-- Return whether a text has control characters or invisible ones, such as those that change the direction of text.
CREATE OR REPLACE FUNCTION resumer.has_control_characters(said text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT said ~ (E'[\\u0001-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb'
    || E'\\U000e0000-\\U000e007f]')
$f$;

-- Return a text with these characters escaped, as an E'' literal of PostgreSQL reads them.
CREATE OR REPLACE FUNCTION resumer.printable(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN resumer.has_control_characters(said) THEN (
    SELECT string_agg(CASE WHEN NOT resumer.has_control_characters(c.one) THEN c.one
        WHEN ascii(c.one) < 128 THEN E'\\x' || lpad(to_hex(ascii(c.one)), 2, '0')
        WHEN ascii(c.one) < 65536 THEN E'\\u' || lpad(to_hex(ascii(c.one)), 4, '0')
        ELSE E'\\U' || lpad(to_hex(ascii(c.one)), 8, '0') END, '' ORDER BY c.n)
    FROM regexp_split_to_table(said, '') WITH ORDINALITY AS c (one, n)) ELSE said END
$f$;

-- Return a text as a literal of PostgreSQL without control characters.
CREATE OR REPLACE FUNCTION resumer.quoted(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN resumer.has_control_characters(said)
    THEN 'E''' || resumer.printable(replace(replace(said, E'\\', E'\\\\'), '''', '''''')) || '''' ELSE quote_nullable(said) END
$f$;

-- Return a text as an argument for a POSIX shell, or NULL if it is not safe to paste: it has control characters, or begins like an
-- option.
CREATE OR REPLACE FUNCTION resumer.shell(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN said LIKE '-%' OR resumer.has_control_characters(said) THEN NULL
    WHEN said ~ '^[A-Za-z0-9_@%+=:,./-]+$' THEN said
    ELSE '''' || replace(said, '''', '''"''"''') || '''' END
$f$;

REVOKE ALL ON FUNCTION resumer.has_control_characters(text), resumer.printable(text), resumer.quoted(text),
  resumer.shell(text) FROM PUBLIC;
