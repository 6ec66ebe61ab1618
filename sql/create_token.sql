-- Create a token of a name that no other token in force has; none is returned where one has it.
INSERT INTO resumer.tokens (name, sha256, permissions, organization_id, expires_at)
VALUES (
  %(name)s, %(sha256)s, %(permissions)s::text[], %(organization)s,
  clock_timestamp() + make_interval(secs => %(seconds)s::float8))
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING id, name, permissions, organization_id AS organization, expires_at
