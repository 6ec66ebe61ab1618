DROP TRIGGER resumer_approval_insert ON approval_requests;
DROP TRIGGER resumer_approval_update ON approval_requests;
DROP FUNCTION resumer.on_approval_insert(), resumer.on_approval_update(), resumer.wake();
DROP VIEW resumer.asleep;
