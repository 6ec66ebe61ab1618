DROP FUNCTION IF EXISTS resumer.status(text), resumer.status(uuid);
