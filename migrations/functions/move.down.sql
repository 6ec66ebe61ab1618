DROP FUNCTION resumer.adopt(uuid), resumer.pause(uuid, text, text), resumer.resume(uuid, jsonb, text, text, boolean, integer),
  resumer.retry(uuid, text, text, text, text, integer), resumer.cancel(uuid, text, text),
  resumer.ask(uuid, text, text, text, jsonb, text[], integer), resumer.refuse_other_pause(uuid, integer, integer);
