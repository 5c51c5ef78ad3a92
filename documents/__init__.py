"""Documents of anybody that a server keeps for a while: prepared for a key elsewhere, completed, sealed."""
