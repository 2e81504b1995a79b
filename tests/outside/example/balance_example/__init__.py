"""A method, a fusion, an encoder and a data set, added from outside."""
