"""Effects: HTTP requests and notifications that leave the database."""
