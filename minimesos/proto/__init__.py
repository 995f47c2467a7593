"""Generated protobuf and gRPC code; the sources are in `proto/` and `make proto` rewrites it."""
