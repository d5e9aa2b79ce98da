"""The page of `egem serve` and its API.

One process serves many browsers; each has a workspace of its own, stored on disk. Needs the extra
`web`; only `egem.apps.cli` imports this package.
"""
