DROP FUNCTION resumer.adopt(uuid), resumer.pause(uuid, text, text), resumer.resume(uuid, jsonb, text, text, boolean),
  resumer.retry(uuid, text, text, text, text), resumer.cancel(uuid, text, text),
  resumer.ask(uuid, text, text, text, jsonb, text[]);
