"""Generated code for the gRPC services and messages of minimesos itself."""
