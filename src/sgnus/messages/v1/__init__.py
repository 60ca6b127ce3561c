"""Generated from api/sgnus.yaml: protocol version 1. `types` needs neither grpc nor protobuf."""
