"""How the tables come to be and change, one code path for SQLite and PostgreSQL.

Owns: the Alembic environment, the versions and the function that brings a database up to date.
Leaves: what the tables mean to the packages whose `tables.py` declares them.
"""
