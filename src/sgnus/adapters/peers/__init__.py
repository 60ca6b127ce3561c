"""Direct links between peers over gRPC with mutual TLS, and an in-memory stand-in."""

import os

# gRPC's core writes to stderr when a peer goes away; what matters of it reaches us as events.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
