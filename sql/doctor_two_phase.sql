-- How many transactions may be prepared at once.
SELECT current_setting('max_prepared_transactions')::integer
