"""Media files, judged by what is decoded from them."""
