-- What holds while the doctor looks: it waits for nobody, and finds the service's tables.
SELECT set_config('search_path', %(search_path)s, true), set_config('statement_timeout', '10s', true),
  set_config('lock_timeout', '1s', true)
