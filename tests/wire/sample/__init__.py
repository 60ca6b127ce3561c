"""A small definition of our own, so that the tests of generator and codecs see every kind of field."""
