-- The login of the daemons. `resumer-daemon migrate grants` gives its role the rights that it needs.
CREATE ROLE resumer_daemon NOLOGIN;
CREATE ROLE resumer LOGIN PASSWORD 'resumer' IN ROLE resumer_daemon;
