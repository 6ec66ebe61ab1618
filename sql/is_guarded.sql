-- Whether approvals are refused that the decision guard objects to.
SELECT t.tgenabled <> 'D' FROM pg_trigger t
WHERE t.tgrelid = 'service_schema.approval_requests'::regclass AND t.tgname = 'resumer_approval_guard'
