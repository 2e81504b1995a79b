"""From media to prepared shards: checked, parallel, resumable."""
