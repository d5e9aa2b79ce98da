"""The error for a layout that is not known: the first rows as read, and the likeliest options."""

from egem.readers.roles import Head

_ROWS, _COLUMNS, _WIDTH = 3, 8, 12


def unknown(head: Head, trouble: str, options: tuple[str, ...]) -> ValueError:
    """Return an error that shows the first rows and names options of the commands."""
    names = head.names[:_COLUMNS]
    rows = [names] if head.header else []
    n_rows = min(_ROWS, max((len(cells) for cells in head.columns.values()), default=0))
    rows += [[head.columns[name][i] for name in names] for i in range(n_rows)]
    more = " | ..." if len(head.names) > _COLUMNS else ""
    shown = "".join("\n  " + " | ".join(cell[:_WIDTH] for cell in row) + more for row in rows)
    return ValueError(
        f"{head.path}: its layout is not clear: {trouble}. Read as{shown}\n"
        f"Say which: {', or '.join(options)} (in Python layout=..., label=... and so on)."
    )
