"""What we remember: SQLAlchemy Core on SQLite or PostgreSQL. The only part that knows SQL.

Every function takes an open connection first and joins the transaction that its caller opened::

    async with store.writing() as db:          one transaction: all of it or nothing
        await snapshots.accept(db, id, at)
        await journal.append(db, entries, at)  last: it makes other writers of the journal wait

    engine     the URL → a `Store` and its transactions; troubles: what drivers say, in plain words
    schema     the database's schema: brought up to date, or refused
    tables     the schema as the code sees it; columns: how values are kept; bulk: many rows at once
    people     register keys → persons
    snapshots  readings of schools; codec: a snapshot as canonical JSON
    decisions  consents, opt-outs, appointments, overrides; facts: did anything change?
    actual     what we know the homeserver has
    settled    schools in which nothing is left to do; imported: the files that a snapshot was read from
    inbox      the homeserver's transactions, exactly once
    journal    who did what and why, hash-chained; does the chain hold?
"""
