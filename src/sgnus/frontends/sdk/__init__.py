"""The Python SDK: a thin, typed client of the local node. Public names stand in `sgnus` and `sgnus.aio`."""
