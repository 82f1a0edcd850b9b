"""A small shop: the host application that the demo and the tests send from."""
