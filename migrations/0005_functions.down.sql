DROP FUNCTION resumer.start(text, jsonb, text, uuid), resumer.queue(uuid, uuid, text, jsonb), resumer.reject(text, uuid, text),
  resumer.approve(text, uuid, text), resumer.decide(text, text, uuid, text), resumer.service_now(),
  resumer.service_path(), resumer.shell(text), resumer.quoted(text), resumer.printable(text),
  resumer.steers(text);
