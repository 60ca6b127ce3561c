"""Direct links between peers over gRPC with mutual TLS, and an in-memory stand-in."""

import os

# gRPC's core says a line for each bad header of a stranger, who may send any number; what matters reaches us as events.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
