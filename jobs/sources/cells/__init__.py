"""Parsers: cells of a file become values of the landing columns, a block at a time."""
