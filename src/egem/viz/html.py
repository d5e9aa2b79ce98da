"""A page as blocks of text, tables and pictures, written as HTML and as Markdown."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of the page; numbers are text already."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    file: str
    words: str
    data: bytes


Block = str | Table | Picture  # text starting with "# " is a heading


def as_markdown(blocks: Sequence[Block]) -> str:
    """Write blocks as Markdown; pictures are files in ``figures``."""
    parts = []
    for block in blocks:
        if isinstance(block, Picture):
            parts.append(f"![{block.words}](figures/{block.file})")
        elif isinstance(block, Table):
            lines = [block.head, ["---"] * len(block.head), *block.rows]
            parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
        else:
            parts.append("#" * (parts != []) + block if block.startswith("# ") else block)
    return "\n\n".join(parts) + "\n"


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.86rem; display: block;
  overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.28rem 0.7rem; border-bottom: 1px solid #dcdcdc;
  vertical-align: top; }
th { border-bottom: 2px solid #5f5f5f; }
img { max-width: 100%; height: auto; margin: 1rem 0; }
"""


def as_html(blocks: Sequence[Block]) -> str:
    """Write blocks as one page that needs no other file."""
    parts: list[str] = []
    for block in blocks:
        if isinstance(block, Picture):
            kind = block.file.rsplit(".", 1)[1]
            data = base64.b64encode(block.data).decode()
            alt = html.escape(block.words, quote=True)
            parts.append(f'<img alt="{alt}" src="data:image/{kind};base64,{data}">')
        elif isinstance(block, Table):
            head = "".join(f"<th>{_inline(cell)}</th>" for cell in block.head)
            rows = "".join(
                "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>"
                for row in block.rows
            )
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        elif block.startswith("# "):
            level = 2 if parts else 1
            parts.append(f"<h{level}>{html.escape(block[2:])}</h{level}>")
        else:
            parts.append(f"<p>{_inline(block)}</p>")
    title = html.escape(str(blocks[0])[2:])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _inline(words: str) -> str:
    """Turn the little Markdown that the blocks use into HTML."""
    words = html.escape(words)
    for mark, tag in (("**", "strong"), ("*", "em"), ("`", "code")):
        pieces = words.split(mark)
        words = "".join(
            piece if i % 2 == 0 else f"<{tag}>{piece}</{tag}>" for i, piece in enumerate(pieces)
        )
    return words
