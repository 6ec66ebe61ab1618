DROP FUNCTION resumer.check_size(jsonb);
DROP TABLE resumer.control, resumer.instances, resumer.definitions, resumer.leases, resumer.pauses, resumer.resume_requests;
DROP DOMAIN resumer.request_kind, resumer.request_outcome;
