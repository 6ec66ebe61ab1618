-- Approve, as the page or a person with psql would.
SELECT resumer.approve(%(request)s, %(approver)s::uuid, %(reason)s) AS request
