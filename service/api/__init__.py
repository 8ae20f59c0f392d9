"""HTTP: routes, conditional requests, problems."""
