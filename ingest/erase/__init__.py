"""Erase persons: `make erase`.

`people` finds their events, `preview` shows them, `eraser` rewrites the landing, and
`duckdb` writes the DuckDB file again, without what was deleted.

What holds at each moment, so that a run that is killed is ended by the next one:

1. The record goes first. It says whom, so that the ingest leaves their events out from
   then on, and so that the next run finds by it what this one has not reached.
2. Hour by hour, the new files land; until the ledger names them they count for nothing.
3. Then the ledger names them in place of the old ones, a microsecond after the export
   that they come from: a later export stays newer.
4. Only then the old files go, with all their versions, the newest last: as long as any
   is there, the next run sees the file and goes on from 2.
"""
