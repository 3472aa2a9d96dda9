"""`python -m report` in a checkout: the command by the name that it had before it was installed."""

import sys

from northflank_restore_report.__main__ import main

sys.exit(main())
