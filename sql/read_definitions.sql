-- The copies that paused executions run on.
SELECT d.sha256, d.body::text AS definition FROM resumer.definitions d WHERE d.sha256 = ANY (%(hashes)s::text[])
