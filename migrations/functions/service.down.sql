DROP FUNCTION resumer.check_size(jsonb), resumer.service_path(), resumer.service_now();
