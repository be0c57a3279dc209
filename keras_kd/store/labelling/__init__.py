"""A run of the teacher over the data, into a store."""
