"""Pure functions of records: what the evidence on disk says about accuracy and compute."""
