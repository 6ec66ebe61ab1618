-- Begin a part of a transaction that may fail alone.
SAVEPOINT part
