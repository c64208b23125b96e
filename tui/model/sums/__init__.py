"""Tokens, money and time, added up."""
