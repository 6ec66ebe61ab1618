-- The tokens, oldest first; the tokens themselves are known to nobody but their holders.
SELECT t.id, t.name, t.permissions, t.organization_id AS organization, t.created_at, t.created_by, t.expires_at,
  t.last_used_at, t.revoked_at,
  CASE
    WHEN t.revoked_at IS NOT NULL THEN 'revoked'
    WHEN t.expires_at <= statement_timestamp() THEN 'expired'
    ELSE 'active'
  END AS state
FROM resumer.tokens t
ORDER BY t.created_at, t.id
