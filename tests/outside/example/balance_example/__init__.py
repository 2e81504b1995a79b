"""What a package of its own adds: method, data set, recipe, fusion, encoder."""
