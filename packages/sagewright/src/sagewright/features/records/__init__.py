"""Kinds that are only records, where the derived verbs are not enough: versions, aliases, associations, devices, policies."""
