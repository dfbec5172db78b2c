"""The Graph API: paths, permissions, bodies in, entities out."""
