-- Keep the request that was left under a key.
UPDATE resumer.idempotency_keys k
SET request = %(request)s
WHERE k.caller = %(caller)s AND k.key = %(key)s
