"""`python -m graphpost`: the command line."""

import sys

from graphpost.cli import main

sys.exit(main())
