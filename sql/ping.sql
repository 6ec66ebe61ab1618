-- Prove that notifications arrive: this one must come back to its own sender.
SELECT pg_catalog.pg_notify('resumer_wake', 'ping')
