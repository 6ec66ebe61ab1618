-- Keep a part of a transaction that has not failed.
RELEASE SAVEPOINT part
