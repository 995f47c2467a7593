"""Codecs of records and files."""
