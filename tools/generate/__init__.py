"""Writes proto and Python from api/sgnus.yaml, the only definition of messages and services."""
