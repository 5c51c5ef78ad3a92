"""The commands of ``mohr pki``, one module for each part of the authority."""
