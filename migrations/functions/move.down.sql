DROP FUNCTION IF EXISTS resumer.adopt(text), resumer.pause(text, text, text), resumer.resume(text, jsonb, text, text, boolean, integer),
  resumer.retry(text, text, text, text, text, integer), resumer.cancel(text, text, text);
DROP FUNCTION IF EXISTS resumer.adopt(uuid), resumer.pause(uuid, text, text), resumer.resume(uuid, jsonb, text, text, boolean, integer),
  resumer.retry(uuid, text, text, text, text, integer), resumer.cancel(uuid, text, text),
  resumer.add_request(uuid, text, text, text, jsonb, text[], integer), resumer.check_pause_number(uuid, integer, integer);
