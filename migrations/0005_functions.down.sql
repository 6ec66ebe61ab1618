DROP FUNCTION resumer.start(text, jsonb, text, uuid), resumer.reject(text, uuid, text), resumer.approve(text, uuid, text),
  resumer.decide(text, text, uuid, text), resumer.service_now();
