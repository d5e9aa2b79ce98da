"""The page of `egem serve`, and the API under it.

One process, many browsers: each has a workspace of its own, kept on disk. Needs the extra `web`;
nothing but `egem.apps.cli` imports this package.
"""
