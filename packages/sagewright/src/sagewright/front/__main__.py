"""``python -m sagewright.front``."""

import sys

from sagewright.front.process import main

sys.exit(main())
