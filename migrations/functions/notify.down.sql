DROP FUNCTION IF EXISTS resumer.wake();
DROP VIEW IF EXISTS resumer.notify_enabled;
