"""Labels of recordings by the folders they lie in, or by their names."""

import re
from collections import defaultdict

Parts = tuple[str, ...]


def labels_of(path, recordings: list[Parts], source: str | None) -> tuple[list[str] | None, str]:
    """Find the label of each recording, and say where it is from.

    Parameters
    ----------
    path : Path
        Names the folder in messages.
    recordings : list of tuple of str
        Folders and name of each, the name last and without its ending.
    source : str or None
        ``folder``, ``folder:1`` for the outermost one, ``name``, ``none``; None is found.

    Returns
    -------
    list of str or None
        None where nothing tells labels apart.
    str
        The source.

    Raises
    ------
    ValueError
        If folders of two levels may be the labels, or the source gives none.
    """
    if source in ("none", "column", "segments"):
        return None, ""
    if source is not None and source.startswith("folder"):
        level = int(source[7:] or 0)
        if any(len(parts) < max(level, 1) + 1 for parts in recordings):
            raise ValueError(
                f"{path}: not every recording lies in a folder, such as "
                f"{'/'.join(min(recordings, key=len))}; give --label-from name."
            )
        return [parts[level - 1 if level else -2] for parts in recordings], "folder names"
    if source == "name":
        labels = labels_in([parts[-1] for parts in recordings], always=True)
        if labels is None:
            raise ValueError(f"{path}: the names hold no words, so no labels; use folders.")
        return labels, "file names"
    depths = {len(parts) for parts in recordings}
    levels = [
        level for level in range(min(depths) - 1) if len({parts[level] for parts in recordings}) > 1
    ]
    if len(levels) > 1 or (len(depths) > 1 and max(depths) > 1):
        first, last = (sorted({p[i] for p in recordings if len(p) > 1})[:3] for i in (0, -2))
        raise ValueError(
            f"{path}: the labels may be the outer folders ({', '.join(first)}) or the inner ones "
            f"({', '.join(last)}); give --label-from folder:1, --label-from folder or "
            "--label-from name, or one of the folders alone."
        )
    if levels:
        return [parts[levels[0]] for parts in recordings], "folder names"
    return labels_in([parts[-1] for parts in recordings]), "file names"


def labels_in(names: list[str], always: bool = False) -> list[str] | None:
    """Find the labels in names of files: words that recur with other numbers or words.

    Parameters
    ----------
    names : list of str
        Without endings.
    always : bool
        Whether the first word is a label even where all names have it.

    Returns
    -------
    list of str or None
        None if there is none.

    Examples
    --------
    >>> labels_in(["walk_01", "walk-anna-2", "01_run"])
    ['walk', 'walk', 'run']
    >>> labels_in(["rec_01", "rec_02"])
    """
    words = [_words(name) for name in names]
    if not all(words):
        return None
    if len(names) == 1 or (always and len(set(map(tuple, words))) == 1):
        return [" ".join(each) for each in words] if always else None
    shared = set.intersection(*map(set, words))
    told = [[word for word in each if word not in shared] for each in words]
    if not all(told):
        return [each[0] for each in words] if always else None
    labels = _joined(told) or [each[0] for each in told]
    n = len(set(labels))
    alone = n == len(names) and any(re.search(r"\d", name) for name in names)
    return None if (n < 2 or alone) and not always else labels


def _joined(words: list[list[str]]) -> list[str] | None:
    """Join the words of a label like ``sit_down``: those after the first go with one first only."""
    if len({len(each) for each in words}) > 1:
        return None
    firsts = defaultdict(set)
    for first, *rest in words:
        firsts[tuple(rest)].add(first)
    if any(len(each) > 1 for each in firsts.values()):
        return None
    joined = ["_".join(each) for each in words]
    return joined if len(set(joined)) < len(joined) else None


def _words(name: str) -> list[str]:
    """Split a name at marks and before numbers, and drop the numbers."""
    pieces = re.split(r"[\s_\-.,()\[\]+]+", name)
    pieces = [re.sub(r"^\d+(?=[^\W\d])|\d+$", "", piece) for piece in pieces]
    return [piece for piece in pieces if piece and not piece.isdigit()]
