"""The processor pool: hardened children that run wasm. Kept empty, for each child imports this package."""
