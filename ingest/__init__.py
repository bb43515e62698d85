"""Land Amplitude's exported events as JSON files in S3 or a folder.

The path of an hour: `run` takes a window of hours from `pending`, which knows how long
one may be, and asks `answers` for it. There `export` sends the request, `archive` reads
the zip while it arrives, and each member waits in a `buffer` until `members` has
verified it and `landing` has stored it. Then `run` adds the hour to the ledger.
`erased_events` keeps events of erased persons from landing again, `progress` shows how
far it is.
`clock` knows Amplitude's time, `waiting` limits how long an answer may take, `network`
checks proxies and certificates. `verify` checks what has landed; `summary` and
`calendar` report.
"""

__version__ = "0.2.0"
