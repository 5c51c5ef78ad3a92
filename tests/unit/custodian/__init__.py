"""The custodian: package, release, journal, crashes."""
