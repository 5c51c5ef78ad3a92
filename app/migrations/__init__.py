"""The schema's history (Alembic), configured without an ini file so that it works from the installed wheel.

``mohr migrate`` brings a database to the newest version. After rows were added or changed, the next version is
drafted with ``python -m app.migrations.draft "what changes"``, read, corrected by hand and formatted; a test
compares the result with the rows.
"""
