-- Revoke the token of a name, if one is in force; it opens nothing from now on.
UPDATE resumer.tokens t
SET revoked_at = clock_timestamp()
WHERE t.name = %(name)s AND t.revoked_at IS NULL
RETURNING t.id
