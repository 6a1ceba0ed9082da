"""What the desk remembers: one SQLite file that only this package writes.

`records` is what is written, `schema` the tables and their migrations, `rows` the translation between the two, `store`
the file itself, `writer` the order and the thread in which batches reach it. Importing the package loads none of them,
so the pure core can use `engine.journal.records` without loading SQLite.
"""
