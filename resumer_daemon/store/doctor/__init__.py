"""What `doctor` looks at, one family of checks a module; `examine.py` calls them all."""
