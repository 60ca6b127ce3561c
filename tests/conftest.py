"""For all tests: nothing heavy here. Fixtures live beside the tests that use them."""

import os

from hypothesis import HealthCheck, settings

# Tests that talk gRPC also start processes with a preexec_fn, which forks: gRPC's fork handlers may end the child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# How fast examples are found is a matter of the machine and of what runs beside; in CI they are the same each time.
settings.register_profile(
    "sgnus",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("sgnus")
