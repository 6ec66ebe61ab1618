DROP FUNCTION resumer.wake();
DROP VIEW resumer.notify_enabled;
