"""Requests of others that fire a trigger: verified over the raw body, each fires once."""
