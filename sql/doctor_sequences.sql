-- Identity columns whose sequence would give values that are taken, each with the statement that moves the sequence on.
SELECT format('resumer.%s.%s', i.relation, i.identity) AS "column", coalesce(i.last_value, 0) AS last, i.highest,
  format('SELECT setval(pg_get_serial_sequence(''resumer.%s'', %L), i.highest) FROM resumer.identities() AS i WHERE i.relation = %L',
    i.relation, i.identity, i.relation) AS remedy
FROM resumer.identities() AS i
WHERE i.highest > coalesce(i.last_value, 0)
