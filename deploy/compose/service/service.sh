#!/bin/sh
# The stand-in service: its workflow once, then a round of its work every second.
set -eu
cd "$(dirname "$0")"

psql --quiet --set ON_ERROR_STOP=1 --set definition="$(cat workflow.json)" --file workflow.sql
while true; do
    psql --quiet --file round.sql >/dev/null || true # the database may be restarted under it
    sleep 1
done
