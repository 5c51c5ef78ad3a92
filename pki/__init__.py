"""Authorities, certificates, revocation and time stamps."""
