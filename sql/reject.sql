-- Reject, as the page or a person with psql would.
SELECT resumer.reject(%(request)s, %(approver)s::uuid, %(reason)s) AS request
