-- A beat lasts as long as it must, whatever the role imposes; one that hangs is told by our own clock.
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)
