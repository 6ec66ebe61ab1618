DROP TRIGGER resumer_approval_guard ON approval_requests;
DROP FUNCTION resumer.on_approval_guard(), resumer.objection(uuid, uuid, timestamptz, timestamptz, uuid, uuid);
