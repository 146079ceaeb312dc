"""The page's server: on this machine alone, behind a random token."""
