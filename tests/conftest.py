"""For all tests. This file being here, tests can import `clips`, which is beside it."""

import os

# Two jobs of two threads on two cores are slower than one after the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
