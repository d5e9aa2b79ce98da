"""Docstrings as Markdown, for mkdocstrings: roles become links, simple tables become blocks."""

import re

from griffe import Alias, Class, Extension, Function, GriffeLoader, Module, Object

CLASSIFIER = "egem.EGEMClassifier"  # whose methods docstrings call by their names alone
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
_CHOICES = re.compile(r"^( *[\w, ]+ : .*?)\{(.+?)\}", re.MULTILINE)
_TABLE = re.compile(r"^(=+ +=[= ]+)\n(.*?)^\1\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


class Docstrings(Extension):
    """Rewrites every docstring of a package once it is loaded."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **_) -> None:
        """Walk through the package; called by Griffe."""
        _rewrite(pkg)


def _rewrite(obj: Object) -> None:
    if obj.docstring:
        obj.docstring.value = as_markdown(obj.docstring.value, obj)
    for member in obj.members.values():
        if not isinstance(member, Alias):
            _rewrite(member)


def as_markdown(text: str, obj: Object) -> str:
    """Turn the reStructuredText that docstrings use into Markdown.

    Parameters
    ----------
    text : str
        The docstring.
    obj : Object
        What it describes: names without a dot are looked for beside it, then in the classifier.

    Returns
    -------
    str
        Roles are optional references, which stay plain where the site has no such page.
    """
    scope = obj.parent if isinstance(obj, Function) else obj

    def link(found: re.Match) -> str:
        short, name = found.groups()
        if "." in name:
            target = name
        elif isinstance(scope, Class | Module) and name in scope.members:
            target = f"{scope.path}.{name}"
        else:
            target = f"{CLASSIFIER}.{name}"
        shown = name.rpartition(".")[2] if short else name
        return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'

    text = _ROLE.sub(link, text)
    # Griffe takes the first of the choices in braces for the default, whatever is said after them.
    text = _CHOICES.sub(r"\1one of \2", text)
    text = _TABLE.sub(_table, text)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)


def _table(found: re.Match) -> str:
    """Write a simple table, whose rows may take several lines, with bars between its cells."""
    columns = [slice(edge.start(), edge.end()) for edge in re.finditer("=+", found[1])]
    columns[-1] = slice(columns[-1].start, None)
    rows: list[list[str]] = []
    for line in (*found[2].splitlines(), found[1], *found[3].splitlines()):
        cells = [line[at].strip() for at in columns]
        if line == found[1]:
            rows.append(["---"] * len(columns))
        elif cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(pair).strip() for pair in zip(rows[-1], cells, strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
