DROP FUNCTION resumer.explain(uuid), resumer.why_around(resumer.pauses, uuid),
  resumer.why_asked(resumer.pauses, uuid), resumer.why_waiting(resumer.pauses, uuid, text),
  resumer.why_approval(resumer.pauses, text), resumer.why_kept(uuid, text), resumer.why_running(uuid, text),
  resumer.why_not_open(uuid), resumer.reason(integer, text, text, timestamptz, timestamptz, text, text),
  resumer.lasting(timestamptz);
