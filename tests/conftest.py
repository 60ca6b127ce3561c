"""For all tests: nothing heavy here. Fixtures live beside the tests that use them."""

import os

# Tests that talk gRPC also start processes with a preexec_fn, which forks: gRPC's fork handlers may end the child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
