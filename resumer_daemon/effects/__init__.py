"""What leaves the database."""
