"""JSON schemas of the records, one file a stream."""
