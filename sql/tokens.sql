-- Create, list, revoke and look up API tokens.
-- Run by store/tokens.py.

-- name: create_token
-- Insert a token, unless a valid token has the name.
INSERT INTO resumer.tokens (name, sha256, permissions, organization_id, expires_at)
VALUES (
  %(name)s, %(sha256)s, %(permissions)s::text[], %(organization)s,
  clock_timestamp() + make_interval(secs => %(seconds)s::float8))
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING id, name, permissions, organization_id AS organization, expires_at

-- name: list_tokens
-- List the stored rows of tokens, oldest first. The tokens themselves are not stored.
SELECT t.id, t.name, t.permissions, t.organization_id AS organization, t.created_at, t.created_by, t.expires_at,
  t.last_used_at, t.revoked_at,
  CASE
    WHEN t.revoked_at IS NOT NULL THEN 'revoked'
    WHEN t.expires_at <= statement_timestamp() THEN 'expired'
    ELSE 'active'
  END AS state
FROM resumer.tokens t
ORDER BY t.created_at, t.id

-- name: revoke_token
-- Revoke the valid token of a name.
UPDATE resumer.tokens t
SET revoked_at = clock_timestamp()
WHERE t.name = %(name)s AND t.revoked_at IS NULL
RETURNING t.id

-- name: find_credential
-- Find the owner of a token of the daemon or a key of the service by its SHA-256. The use of a token is recorded at
-- most once a minute.
WITH used AS (
  UPDATE resumer.tokens t SET last_used_at = clock_timestamp()
  WHERE t.sha256 = %(sha256)s AND t.revoked_at IS NULL
    AND coalesce(t.expires_at, 'infinity') > statement_timestamp()
    AND coalesce(t.last_used_at, '-infinity') < statement_timestamp() - interval '1 minute')
SELECT t.sha256, 'token:' || t.id AS identity, 'token:' || t.name AS actor, to_jsonb(t.permissions)::text AS permissions,
  t.organization_id AS organization, t.organization_id IS NULL AS everywhere
FROM resumer.tokens t
WHERE t.sha256 = %(sha256)s AND t.revoked_at IS NULL
  AND coalesce(t.expires_at, 'infinity') > statement_timestamp()
UNION ALL --? api_keys
SELECT k.key_hash, 'api_key:' || k.id, 'api_key:' || k.name, to_jsonb(k.scopes)::text, --? api_keys
  (to_jsonb(k) ->> 'organization_id')::uuid, false --? api_keys
FROM api_keys k --? api_keys
WHERE k.key_hash = %(sha256)s AND k.is_active --? api_keys
  AND (k.expires_at IS NULL OR k.expires_at > resumer.service_now()) --? api_keys

-- name: read_time
-- Return the server's time in seconds since 1970. It decides whether a JWT is valid.
SELECT extract(epoch FROM clock_timestamp())::float8 AS now
