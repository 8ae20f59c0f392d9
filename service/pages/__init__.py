"""The pages for people: templates and static files, filled in by the API."""
