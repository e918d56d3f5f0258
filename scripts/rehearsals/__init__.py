"""What docs/operations.md tells to do, done on the production topology while alerts come in and browsers listen.

python -m scripts.rehearsals            both
python -m scripts.rehearsals upgrade    a migration, then every process in turn into the next release
python -m scripts.rehearsals restore    a backup taken in use, brought into a new database

The exit code is 0 when nothing was lost, nothing came twice and nothing was out of order.
"""
