"""`python -m sandbox.aws`."""

import sys

from sandbox.aws import main

sys.exit(main())
