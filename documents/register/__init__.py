"""The register of documents that the city issues: rows, files and use cases."""
