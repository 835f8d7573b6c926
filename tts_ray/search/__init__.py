"""Test-time search: each algorithm is one file, an async function from a tree to its answers."""
