"""Commands of ``mohr pki``, a module for each matter."""
