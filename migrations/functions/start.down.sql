DROP FUNCTION IF EXISTS resumer.start(text, jsonb, text, uuid), resumer.queue(uuid, uuid, text, jsonb);
