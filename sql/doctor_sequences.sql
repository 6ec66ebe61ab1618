-- Sequences that would give values that are taken, each with the statement that moves it on.
SELECT s.sequence, coalesce(s.last_value, 0) AS last, s.highest, format('SELECT setval(%L, %s)', s.sequence, s.highest) AS remedy
FROM resumer.sequences() AS s
WHERE s.highest > coalesce(s.last_value, 0)
