"""Authenticity (اصالت سند): identifiers, papers, proofs and the rule of documents; pure, no database."""
