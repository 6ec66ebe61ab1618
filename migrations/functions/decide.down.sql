DROP FUNCTION IF EXISTS resumer.reject(text, uuid, text), resumer.approve(text, uuid, text),
  resumer.decide(text, text, uuid, text);
