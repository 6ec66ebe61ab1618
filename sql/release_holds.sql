-- End the holds whose time is over; what they kept goes on at a bounded rate.
SELECT resumer.let_go(h.id, 'its time is over') AS going
FROM resumer.holds h
WHERE h.released_at IS NULL AND h.until <= clock_timestamp()
FOR UPDATE SKIP LOCKED
