"""One module a wire format of the catalog: catalog → document. Pure."""
