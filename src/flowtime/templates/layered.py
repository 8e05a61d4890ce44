"""Boxes and arrows as text, in layers from top to bottom: what nothing points at first.

The usual four steps (Sugiyama, Tagawa, Toda 1981): arrows that close a ring are set aside, layers follow from
the longest way, boxes of a layer are ordered by where their neighbors are, and columns are chosen so that
arrows run straight where they can.  The same boxes and arrows give the same text, on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from flowtime.templates.canvas import Canvas

__all__ = ["Arrow", "Box", "draw", "ring_arrows"]

_GAP = 3  # columns between two boxes
_PORT_GAP = 2  # columns between two arrows that end at one box, at least
_SWEEPS = 8


class Box(NamedTuple):
    """A box: its lines of text, and whether its corners are round."""

    lines: tuple[str, ...]
    is_round: bool = False


class Arrow(NamedTuple):
    """An arrow between two boxes, by index; ``label`` stands beside its start, one word a line."""

    source: int
    target: int
    label: tuple[str, ...] = ()
    is_dotted: bool = False


@dataclass
class _Item:
    """A box in its layer, or (``box`` None) the place where a longer arrow passes it; ``x`` is its left column."""

    box: int | None
    width: int = 1
    x: int = 0
    above: list[_Link] = field(default_factory=list)
    below: list[_Link] = field(default_factory=list)


@dataclass
class _Link:
    """The part of an arrow between two layers; offsets of its ends are columns from the left of the items."""

    arrow: Arrow
    upper: _Item
    lower: _Item
    start: int = 0
    end: int = 0

    @property
    def top(self) -> int:
        """The column in which it starts."""
        return self.upper.x + self.start

    @property
    def bottom(self) -> int:
        """The column in which it ends."""
        return self.lower.x + self.end


def draw(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> tuple[str, ...]:
    """Return the lines of a drawing of at least one box; arrows that close a ring are left out (``ring_arrows``)."""
    rings = set(ring_arrows(len(boxes), arrows))
    layers = _layers(boxes, [arrow for index, arrow in enumerate(arrows) if index not in rings])
    _order(layers)
    _sort_links(layers)
    for layer in layers:
        for item in layer:
            _set_ports(item, boxes)
    _place(layers)
    canvas = Canvas()
    row = 0
    for depth, layer in enumerate(layers):
        height = max(_paint_item(canvas, row, item, boxes) for item in layer)
        for item in layer:
            _paint_down(canvas, row, row + height, item, boxes)
        row += height
        if depth + 1 < len(layers):
            row = _paint_links(canvas, row, [link for item in layer for link in item.below])
    return canvas.lines()


def ring_arrows(count: int, arrows: Sequence[Arrow]) -> tuple[int, ...]:
    """Return the indices of the arrows that lead back to a box that they come from, in the order of a search
    that takes the ``count`` boxes and the arrows as they are given."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for index, arrow in enumerate(arrows):
        leaving[arrow.source].append(index)
    found: list[int] = []
    state = [0] * count  # 0 not seen, 1 on the way, 2 done
    for root in range(count):
        if state[root]:
            continue
        state[root] = 1
        way: list[tuple[int, Iterator[int]]] = [(root, iter(leaving[root]))]
        while way:
            box, rest = way[-1]
            taken = next(rest, None)
            target = box if taken is None else arrows[taken].target
            if taken is None:
                state[box] = 2
                way.pop()
            elif state[target] == 1:
                found.append(taken)
            elif state[target] == 0:
                state[target] = 1
                way.append((target, iter(leaving[target])))
    return tuple(sorted(found))


# --- layers and order -------------------------------------------------------------------------------------------


def _depths(count: int, arrows: Sequence[Arrow]) -> list[int]:
    """Return the layer of every box; what only points at others stands right above the first of them."""
    depths = [0] * count
    for _ in range(count):
        for arrow in arrows:
            depths[arrow.target] = max(depths[arrow.target], depths[arrow.source] + 1)
    pointed_at = {arrow.target for arrow in arrows}
    for box in range(count):
        below = [depths[arrow.target] for arrow in arrows if arrow.source == box]
        if box not in pointed_at and below:
            depths[box] = min(below) - 1
    return depths


def _layers(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> list[list[_Item]]:
    depths = _depths(len(boxes), arrows)
    items = [_Item(box) for box in range(len(boxes))]
    layers: list[list[_Item]] = [[] for _ in range(max(depths) + 1)]
    for item, depth in zip(items, depths, strict=True):
        layers[depth].append(item)
    for arrow in arrows:
        upper = items[arrow.source]
        for depth in range(depths[arrow.source] + 1, depths[arrow.target] + 1):
            lower = items[arrow.target] if depth == depths[arrow.target] else _Item(None)
            if lower.box is None:
                layers[depth].append(lower)
            link = _Link(arrow, upper, lower)
            upper.below.append(link)
            lower.above.append(link)
            upper = lower
    return layers


def _order(layers: list[list[_Item]]) -> None:
    """Order each layer by the mean place of its neighbors; the order with the fewest crossings is kept."""
    best, least = [list(layer) for layer in layers], _crossings(layers)
    for sweep in range(_SWEEPS):
        goes_down = sweep % 2 == 0
        for depth in range(1, len(layers)) if goes_down else range(len(layers) - 2, -1, -1):
            beside = layers[depth - 1 if goes_down else depth + 1]
            place = {id(item): float(index) for index, item in enumerate(beside)}
            own = {id(item): float(index) for index, item in enumerate(layers[depth])}
            layers[depth].sort(key=lambda item: _mean_place(item, goes_down, place, own))
        crossings = _crossings(layers)
        if crossings < least:
            best, least = [list(layer) for layer in layers], crossings
    for layer, kept in zip(layers, best, strict=True):
        layer[:] = kept


def _sort_links(layers: Sequence[Sequence[_Item]]) -> None:
    """Order the ends of arrows along each item as the items that they lead to are ordered."""
    rank = {id(item): index for layer in layers for index, item in enumerate(layer)}
    for layer in layers:
        for item in layer:
            item.below.sort(key=lambda link: rank[id(link.lower)])
            item.above.sort(key=lambda link: rank[id(link.upper)])


def _mean_place(item: _Item, goes_down: bool, place: dict[int, float], own: dict[int, float]) -> float:
    beside = [link.upper for link in item.above] if goes_down else [link.lower for link in item.below]
    return sum(place[id(other)] for other in beside) / len(beside) if beside else own[id(item)]


def _crossings(layers: Sequence[Sequence[_Item]]) -> int:
    count = 0
    for upper, lower in pairwise(layers):
        place = {id(item): index for index, item in enumerate(lower)}
        ends = [(i, place[id(link.lower)]) for i, item in enumerate(upper) for link in item.below]
        count += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(ends) for c, d in ends[:n])
    return count


# --- columns ----------------------------------------------------------------------------------------------------


def _set_ports(item: _Item, boxes: Sequence[Box]) -> None:
    """Choose the width of an item and where on it arrows start; labels need room between starts."""
    if item.box is None:
        return
    text = max((len(line) for line in boxes[item.box].lines), default=0)
    labels = [max(map(len, link.arrow.label), default=-1) for link in item.below]
    rooms = [max(_GAP + 1, label + 3) for label in labels]
    # One arrow starts in the middle, its label to the right of it.
    slots = 2 * (labels[0] + 2) if len(labels) == 1 else sum(rooms)
    item.width = max(text + 4, slots + 2, (len(item.above) + 1) * _PORT_GAP)
    spare = (item.width - 2 - slots) / max(1, len(rooms))
    used = 0.0
    for link, room in zip(item.below, rooms, strict=True):
        link.start = item.width // 2 if len(rooms) == 1 else 2 + int(used + spare / 2)
        used += room + spare
    for place, link in enumerate(item.above):
        link.end = (place + 1) * item.width // (len(item.above) + 1)


def _place(layers: Sequence[list[_Item]]) -> None:
    """Choose the column of every item: near its neighbors, apart from the others of its layer."""
    for layer in layers:
        _spread(layer, [0.0] * len(layer))
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _spread(layer, [_wanted(item, sweep % 2 == 0) for item in layer])
    left = min(item.x for layer in layers for item in layer)
    for layer in layers:
        for item in layer:
            item.x -= left
    for layer in layers:
        for item in layer:
            _straighten(item)


def _wanted(item: _Item, goes_down: bool) -> float:
    if goes_down:
        columns = [link.top - link.end for link in item.above]
    else:
        columns = [link.bottom - link.start for link in item.below]
    return sum(columns) / len(columns) if columns else float(item.x)


def _spread(layer: Sequence[_Item], wanted: Sequence[float]) -> None:
    """Place items as near to the wanted columns as their order allows (pool adjacent violators)."""
    offsets = [0]
    for item in layer[:-1]:
        offsets.append(offsets[-1] + item.width + _GAP)
    pools: list[tuple[float, int]] = []  # mean column and number of the items that stand close together
    for column, offset in zip(wanted, offsets, strict=True):
        mean, count = column - offset, 1
        while pools and pools[-1][0] >= mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    columns = [round(mean) for mean, count in pools for _ in range(count)]
    for item, column, offset in zip(layer, columns, offsets, strict=True):
        item.x = column + offset


def _straighten(item: _Item) -> None:
    """Move the ends of arrows along the top of a box to below their starts, as far as the box and order allow."""
    if item.box is None:
        return
    taken = -_PORT_GAP
    for place, link in enumerate(item.above):
        room_after = (len(item.above) - 1 - place) * _PORT_GAP
        low, high = max(1, taken + _PORT_GAP), item.width - 2 - room_after
        link.end = max(low, min(high, link.top - item.x))
        taken = link.end


# --- painting ---------------------------------------------------------------------------------------------------


def _paint_item(canvas: Canvas, row: int, item: _Item, boxes: Sequence[Box]) -> int:
    """Paint a box with the labels below it; return how many rows it takes (1 where an arrow passes)."""
    if item.box is None:
        return 1
    box = boxes[item.box]
    canvas.box(row, item.x, item.width, box.lines, is_round=box.is_round)
    bottom = row + len(box.lines) + 1
    for link in item.below:
        canvas.port(bottom, link.top)
        for line, word in enumerate(link.arrow.label):
            canvas.text(bottom + 1 + line, link.top + 2, word)
    return bottom - row + 1 + max((len(link.arrow.label) for link in item.below), default=0)


def _paint_down(canvas: Canvas, row: int, end: int, item: _Item, boxes: Sequence[Box]) -> None:
    """Lead the arrows that leave an item down to the end of its layer."""
    start = row if item.box is None else row + len(boxes[item.box].lines) + 2
    for link in item.below:
        canvas.vertical(link.top, start, end, is_dotted=link.arrow.is_dotted)


def _paint_links(canvas: Canvas, row: int, links: Sequence[_Link]) -> int:
    """Paint what is between two layers; return the row in which the next layer starts."""
    columns = _ends(links)
    tracks: list[list[tuple[int, int]]] = []
    placed: list[tuple[_Link, int, int | None]] = []
    for link in sorted(links, key=lambda link: _turn(link, columns[id(link)])):
        end = columns[id(link)]
        placed.append((link, end, None if end == link.top else _track(tracks, link.top, end)))
    last = row + len(tracks)
    for link, end, track in placed:
        is_dotted = link.arrow.is_dotted
        if track is None:
            canvas.vertical(end, row, last, is_dotted=is_dotted)
        else:
            canvas.bend(link.top, end, (row, row + track, last), is_dotted=is_dotted)
        if link.lower.box is None:
            canvas.vertical(end, last, last + 1, is_dotted=is_dotted)
            # The arrow goes on where it came down.
            link.lower.x += end - link.bottom
        else:
            canvas.head(last, end)
    return last + 1


def _ends(links: Sequence[_Link]) -> dict[int, int]:
    """Return the column in which each link ends: its own, or beside it where another link starts in that one."""
    starts = {link.top: link for link in links}
    taken = {link.bottom for link in links}
    columns: dict[int, int] = {}
    for link in links:
        column = link.bottom
        if starts.get(column, link) is not link:
            free = (c for c in (column + 1, column - 1) if c not in starts and c not in taken)
            column = next(free, column)
            taken.add(column)
        columns[id(link)] = column
    return columns


def _turn(link: _Link, end: int) -> tuple[int, int]:
    # Those that run to the right turn first where they start furthest to the right, and the other way round:
    # then two of them do not cross.
    return (0, -link.top) if end >= link.top else (1, link.top)


def _track(tracks: list[list[tuple[int, int]]], start: int, end: int) -> int:
    """Return the first row in which nothing else runs between two columns, and take it."""
    low, high = min(start, end), max(start, end)
    for index, track in enumerate(tracks):
        if all(high < first - 1 or low > last + 1 for first, last in track):
            track.append((low, high))
            return index
    tracks.append([(low, high)])
    return len(tracks) - 1
