"""Land Amplitude's exported events as JSON files in S3 or a folder.

The way of an hour: `windows` says which hours to ask for, `export` asks, `archive`
reads the zip while it arrives, each member waits in a `room` until `members` has proven
it whole and `landing` keeps it, `ledger` records the hour, and `run` leads them;
`progress` shows how far it is.
`clock` knows Amplitude's time, `waiting` limits how long an answer may take, `network`
checks proxies and certificates. `verify` checks what has landed; `summary` and
`calendar` report.
"""

__version__ = "0.2.0"
