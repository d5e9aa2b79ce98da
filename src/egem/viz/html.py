"""A page of text, tables and pictures, as Markdown and as HTML that needs no other file."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

from egem.viz import svg


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


@dataclass(frozen=True)
class Drawing:
    """A part of a page that is HTML or SVG itself, with the rules of its style."""

    content: str
    style: str = ""


Block = str | Table | Picture  # text is one paragraph of Markdown; starting with "# ", a heading


def escaped(text: object) -> str:
    r"""Write any text, such as a label, so that Markdown shows it as it is.

    >>> print(escaped("a|b *c*"))
    a\|b \*c\*
    """
    return re.sub(r"([\\`*_\[\]<>&|~])", r"\\\1", str(text))


def as_markdown(blocks: Sequence[Block]) -> str:
    """Write blocks as Markdown; pictures are files in ``figures``."""
    return "\n\n".join(_markdown(block, not i) for i, block in enumerate(blocks)) + "\n"


def _markdown(block: Block, first: bool) -> str:
    """Write one block; the first heading is that of the page."""
    if isinstance(block, Picture):
        return f"![{escaped(block.words)}]({_source(block)})"
    if isinstance(block, Table):
        lines = [block.head, ["---"] * len(block.head), *block.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return block if first or not block.startswith("# ") else f"#{block}"


def _source(picture: Picture) -> str:
    return f"figures/{picture.file}"


STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.25; }
h2 { margin-top: 2.4rem; }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: 1rem 0;
  font-size: 0.86rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: 0.28rem 0.7rem;
  border-bottom: 1px solid var(--line); }
img { max-width: 100%; height: auto; border-radius: 0.4rem; }
"""


def as_html(blocks: Sequence[Block | Drawing]) -> str:
    """Write blocks as one page that holds its pictures; it follows the light or dark scheme."""
    parts, styles = [], [svg.STYLE, STYLE]
    for place, block in enumerate(blocks):
        if isinstance(block, Drawing):
            parts.append(block.content)
            styles += [block.style] * (block.style not in styles)
        else:
            parts.append(_rendered(block, first=not place))
    title = html.escape(str(blocks[0]).removeprefix("# "))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{''.join(styles)}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _rendered(block: Block, first: bool) -> str:
    """Write a block of Markdown as HTML."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_markdown(block, first))
    for image in (child for token in tokens for child in token.children or ()):
        if image.type == "image" and isinstance(block, Picture):
            image.attrs["src"] = _data(block)
    return markdown.renderer.render(tokens, markdown.options, {})


def _data(picture: Picture) -> str:
    kind = picture.file.rpartition(".")[2]
    return f"data:image/{kind};base64,{base64.b64encode(picture.data).decode()}"
