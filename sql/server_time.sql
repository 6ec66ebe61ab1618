-- The time that decides whether what another program has dated is in force, in seconds since 1970.
SELECT extract(epoch FROM clock_timestamp())::float8 AS now
