-- Refuse approvals that the decision guard objects to. The owner of the table may.
ALTER TABLE approval_requests ENABLE TRIGGER resumer_approval_guard
