DROP FUNCTION IF EXISTS resumer.explain(text), resumer.explain(uuid), resumer.explain_health(resumer.pauses, uuid),
  resumer.explain_requests(resumer.pauses, uuid), resumer.explain_waiting(resumer.pauses, uuid, text),
  resumer.explain_approval(resumer.pauses, text), resumer.explain_blockers(uuid, text), resumer.explain_running(uuid, text),
  resumer.explain_status(uuid), resumer.reason(integer, text, text, timestamptz, timestamptz, text, text),
  resumer.format_age(timestamptz);
