-- A decision as any program or person would write it: nothing of ours is called.
UPDATE approval_requests SET status = %(status)s, decided_at = now() WHERE request_id = %(request)s
