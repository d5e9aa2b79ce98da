"""A page of text, tables and pictures, as Markdown and as HTML that needs no other file."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt


@dataclass(frozen=True)
class Table:
    """A table of the page; its cells are Markdown."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A picture of the page: the name of its file, the words in its place, and its bytes."""

    file: str
    words: str
    data: bytes


Block = str | Table | Picture  # text is one paragraph of Markdown; starting with "# ", a heading


def escaped(text: object) -> str:
    r"""Write any text, such as a label, so that Markdown shows it as it is.

    >>> print(escaped("a|b *c*"))
    a\|b \*c\*
    """
    return re.sub(r"([\\`*_\[\]<>&|~])", r"\\\1", str(text))


def as_markdown(blocks: Sequence[Block]) -> str:
    """Write blocks as Markdown; pictures are files in ``figures``."""
    parts = []
    for block in blocks:
        if isinstance(block, Picture):
            parts.append(f"![{escaped(block.words)}]({_source(block)})")
        elif isinstance(block, Table):
            lines = [block.head, ["---"] * len(block.head), *block.rows]
            parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
        else:
            parts.append("#" * (parts != []) + block if block.startswith("# ") else block)
    return "\n\n".join(parts) + "\n"


def _source(picture: Picture) -> str:
    return f"figures/{picture.file}"


STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #dcdcdc; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --paper: #16191c; --line: #3d454c; }
}
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 68rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.25; }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: 1rem 0;
  font-size: 0.86rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: 0.28rem 0.7rem;
  border-bottom: 1px solid var(--line); }
p:has(> img) { overflow-x: auto; }
img { max-width: max(100%, 44rem); height: auto; border-radius: 0.4rem; }
"""


def as_html(blocks: Sequence[Block]) -> str:
    """Write blocks as one page that holds its pictures; it follows the light or dark scheme."""
    sources = {_source(block): _data(block) for block in blocks if isinstance(block, Picture)}
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(as_markdown(blocks))
    for image in (child for token in tokens for child in token.children or ()):
        if image.type == "image":
            image.attrs["src"] = sources[str(image.attrs["src"])]
    title = html.escape(str(blocks[0]).removeprefix("# "))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f"<body>{markdown.renderer.render(tokens, markdown.options, {})}</body></html>\n"
    )


def _data(picture: Picture) -> str:
    kind = picture.file.rpartition(".")[2]
    return f"data:image/{kind};base64,{base64.b64encode(picture.data).decode()}"
