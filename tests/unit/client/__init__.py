"""The clients of parties."""
