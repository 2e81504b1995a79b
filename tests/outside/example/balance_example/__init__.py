"""A method, a fusion and an encoder, added to keras-balance from outside."""
