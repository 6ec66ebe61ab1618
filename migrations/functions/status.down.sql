DROP FUNCTION resumer.status(uuid);
