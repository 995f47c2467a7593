"""The real world of the actors: event loop, clock, streams over gRPC, the shared port."""

import os

# gRPC's core logs each connection that ends on stderr, between our lines and in users' shells; it
# reads this once, when it is first imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
