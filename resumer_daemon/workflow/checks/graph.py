"""The two questions to a graph of steps, without recursion: a flow may have any length."""

Edges = list[set[int]]


def reachable(edges: Edges) -> set[int]:
    """Return the places that the first one leads to, itself included."""
    reached: set[int] = set()
    waiting = [0] if edges else []
    while waiting:
        place = waiting.pop()
        if place not in reached:
            reached.add(place)
            waiting += edges[place] - reached
    return reached


def loops(edges: Edges) -> list[list[int]]:
    """Return each set of places that all lead to each other, as a sorted list (Kosaraju)."""
    backwards: Edges = [set() for _ in edges]
    for place, targets in enumerate(edges):
        for target in targets:
            backwards[target].add(place)
    found: list[list[int]] = []
    taken: set[int] = set()
    for start in reversed(_finished(edges)):
        group = _collect(start, backwards, taken)
        if len(group) > 1 or (group and start in edges[start]):
            found.append(sorted(group))
    return sorted(found)


def _finished(edges: Edges) -> list[int]:
    """Return the places in the order in which a search in depth leaves them."""
    order: list[int] = []
    seen: set[int] = set()
    for start in range(len(edges)):
        if start in seen:
            continue
        seen.add(start)
        path = [(start, iter(edges[start]))]
        while path:
            place, targets = path[-1]
            onward = next((target for target in targets if target not in seen), None)
            if onward is None:
                order.append(place)
                path.pop()
            else:
                seen.add(onward)
                path.append((onward, iter(edges[onward])))
    return order


def _collect(start: int, edges: Edges, taken: set[int]) -> list[int]:
    group: list[int] = []
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place not in taken:
            taken.add(place)
            group.append(place)
            waiting += edges[place] - taken
    return group
