-- Write a record into its table; what is wrong with it is told, and undoes nothing else of the transaction.
SELECT r.written, r.failed_as, r.error
FROM resumer.write_record(%(table)s::text, %(key)s::text, %(identity)s::text, %(data)s::jsonb,
  %(search_path)s::text) AS r
