"""`python -m sandbox.snowflake`."""

import sys

from sandbox.snowflake import main

sys.exit(main())
