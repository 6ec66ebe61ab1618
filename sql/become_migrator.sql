-- Be the role that migrates again, which may alter the service's tables.
SET LOCAL ROLE NONE
