"""Advanced electronic signatures: levels, what they need of others, CAdES and ASiC containers."""
