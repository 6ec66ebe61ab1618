-- Texts that are safe to print in a terminal and to paste into psql or a shell.

-- Whether a text holds what is not seen, or steers a terminal: controls, and what turns the direction of a text.
CREATE OR REPLACE FUNCTION resumer.has_control_characters(said text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT said ~ (E'[\\u0001-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb'
    || E'\\U000e0000-\\U000e007f]')
$f$;

-- A text with all of that spelled out, as a literal of PostgreSQL reads it again.
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

-- A text as a literal of PostgreSQL, in which nothing steers a terminal.
CREATE OR REPLACE FUNCTION resumer.quoted(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN resumer.has_control_characters(said)
    THEN 'E''' || resumer.printable(replace(replace(said, E'\\', E'\\\\'), '''', '''''')) || '''' ELSE quote_nullable(said) END
$f$;

-- A text as an argument for a POSIX shell; NULL where it cannot be one that is safe to paste: with control characters, or
-- with a first character that makes it an option.
CREATE OR REPLACE FUNCTION resumer.shell(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN said LIKE '-%' OR resumer.has_control_characters(said) THEN NULL
    WHEN said ~ '^[A-Za-z0-9_@%+=:,./-]+$' THEN said
    ELSE '''' || replace(said, '''', '''"''"''') || '''' END
$f$;

REVOKE ALL ON FUNCTION resumer.has_control_characters(text), resumer.printable(text), resumer.quoted(text),
  resumer.shell(text) FROM PUBLIC;
