"""From prepared shards to batches, and who is in which part."""
