"""Docstrings as Markdown, for mkdocstrings: roles become links, simple tables become blocks."""

import re

from griffe import Alias, Class, Extension, Function, GriffeLoader, Module, Object

CLASSIFIER = "egem.EGEMClassifier"  # whose methods docstrings call by their names alone
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
_CHOICES = re.compile(r"^( *[\w, ]+ : .*?)\{(.+?)\}", re.MULTILINE)
_TABLE = re.compile(r"^(=+ +=[= ]+)$.*?^\1$.*?^\1$", re.MULTILINE | re.DOTALL)


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
    text = _TABLE.sub(r"```text\n\g<0>\n```", text)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)
