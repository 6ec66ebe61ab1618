DROP TABLE resumer.idempotency_keys, resumer.tokens;
