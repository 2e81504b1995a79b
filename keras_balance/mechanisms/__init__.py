"""What several methods share, a mechanism a file."""
