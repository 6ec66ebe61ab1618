DROP TRIGGER IF EXISTS resumer_approval_insert ON approval_requests;
DROP TRIGGER IF EXISTS resumer_approval_update ON approval_requests;
DROP TRIGGER IF EXISTS resumer_approval_delete ON approval_requests;
DROP TRIGGER IF EXISTS resumer_approval_guard ON approval_requests;
