"""The real world of the actors: event loop, clock, streams over gRPC, the shared port."""
