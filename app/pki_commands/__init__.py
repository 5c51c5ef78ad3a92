"""Commands of ``mohr pki``, each in a module of its own."""
