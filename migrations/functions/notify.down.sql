DROP FUNCTION resumer.wake();
DROP VIEW resumer.asleep;
