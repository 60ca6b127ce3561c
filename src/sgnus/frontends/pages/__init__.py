"""The pages that the local service serves: its definition, and Swagger UI to read it with (see LICENSE there)."""
