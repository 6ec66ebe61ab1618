DROP FUNCTION resumer.find(text), resumer.about(uuid);
