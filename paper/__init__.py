"""Writes what people read on paper: PDF documents in Persian, the same bytes for the same document everywhere."""
