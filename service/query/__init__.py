"""Questions to a catalog: filter, search, sort, page, pick. Pure."""
