DROP TABLE resumer.idempotency_keys, resumer.tokens, resumer.holds, resumer.effects, resumer.outbox,
  resumer.event_names, resumer.event_keys, resumer.event_types, resumer.captured_events, resumer.event_queue, resumer.event_waits, resumer.control, resumer.instances,
  resumer.definitions, resumer.leases, resumer.pauses, resumer.settled_requests, resumer.resume_requests;
DROP DOMAIN resumer.request_kind, resumer.request_outcome;
