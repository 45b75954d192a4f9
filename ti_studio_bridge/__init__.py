"""The part of Textual Inversion Studio that runs inside A1111, Forge and reForge, in their own Python.

It knows the standard library, and what every one of them has: starlette and httpx. The studio is a child process.
"""
