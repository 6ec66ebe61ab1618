-- Who holds a key, told by its SHA-256: one of our tokens, or one of the service's keys. The use of a token is marked, at
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
