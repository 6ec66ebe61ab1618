-- Write an event.
SELECT resumer.emit(%(type)s, %(payload)s::jsonb, %(organization)s::uuid) AS id
