"""Rows, repositories and the object store behind the ports of procurement."""
