"""`make doctor`: checks every link from Amplitude to the models, and changes none.

A check is a function that returns what is well, or raises CheckFailed with what is
wrong and the command that fixes it. A check that needs something an earlier one has not
found is skipped. `local` has the checks of a pipeline on this machine alone, `cloud`
those of one with accounts of AWS and Snowflake; `sources` has those that both share.
"""
