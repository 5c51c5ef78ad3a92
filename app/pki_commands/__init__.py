"""Commands of ``mohr pki``, each a module; ``app.pki_cli`` names them."""
