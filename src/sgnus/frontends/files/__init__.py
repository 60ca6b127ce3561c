"""Pictures and arrays on disk: opened without loading what can be mapped, written beside their place and moved in."""
