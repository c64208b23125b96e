"""Reads opencode's SQLite database, strictly read-only, and speaks canonical events.

Public face: `adapter.local.OpencodeSource`; the contract: `adapter.events`.
Importing this package imports nothing else.
"""
