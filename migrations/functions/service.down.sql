DROP FUNCTION IF EXISTS resumer.check_object(text, jsonb), resumer.check_size(jsonb), resumer.service_path(), resumer.service_now();
