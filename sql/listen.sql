-- Hear of requests. Effective at commit: the connection is in autocommit, and a full look follows.
LISTEN resumer_wake
