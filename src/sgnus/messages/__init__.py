"""Ids, topic names, limits, errors and the generated message types. Imports nothing else of sgnus."""
