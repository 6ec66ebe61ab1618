-- Take a key of a caller, or learn what was asked under it: a request is there only where it was taken before. Who comes
-- second meanwhile waits for the first.
INSERT INTO resumer.idempotency_keys AS k (caller, key, fingerprint)
VALUES (%(caller)s, %(key)s, %(fingerprint)s)
ON CONFLICT (caller, key) DO UPDATE SET created_at = k.created_at
RETURNING k.fingerprint, k.request
