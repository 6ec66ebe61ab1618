-- The database of `dev`.
CREATE DATABASE resumer
