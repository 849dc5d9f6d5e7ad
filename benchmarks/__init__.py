"""Measurements of what has to stay quick; run by `make bench`, never asserted on."""
