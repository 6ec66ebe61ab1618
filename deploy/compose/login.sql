-- Who the daemons log in as; `resumer-daemon migrate grants` gives the role above it what it needs, and nothing else.
CREATE ROLE resumer_daemon NOLOGIN;
CREATE ROLE resumer LOGIN PASSWORD 'resumer' IN ROLE resumer_daemon;
