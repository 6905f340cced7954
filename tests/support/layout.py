"""How a package hangs together: its modules, layers, imports and import circles.

    python -m tests.support.layout [models jobs schemas dags]

A module is a room, an import an arrow. A room's floor is one above the highest that it imports; rooms in a circle of
imports share a floor.
"""

import sys
from dataclasses import dataclass

import grimp

PACKAGES = ("schemas", "models", "jobs", "dags")


@dataclass(frozen=True)
class Layout:
    """modules: that import or are imported, and all others of the package. circles: sets of modules that import each
    other, directly or through others."""

    modules: int
    floors: int
    imports: int
    circles: list[set[str]]


def layout(package: str) -> Layout:
    """The layout of a package that can be imported; imports of other packages do not count."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    groups = components(imports)
    group_of = {module: number for number, group in enumerate(groups) for module in group}
    floors: list[int] = []
    for number, group in enumerate(groups):  # a group comes after all that it imports
        below = {group_of[other] for module in group for other in imports[module]} - {number}
        floors.append(1 + max((floors[other] for other in below), default=0))
    circles = [group for group in groups if len(group) > 1]
    return Layout(len(imports), max(floors), sum(map(len, imports.values())), circles)


def components(imports: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components, each after those that it imports (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    result: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        path.append(module)
        for other in sorted(imports[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in path:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            start = path.index(module)
            result.append(set(path[start:]))
            del path[start:]

    for module in sorted(imports):
        if module not in index:
            visit(module)
    return result


def main(packages: list[str]) -> None:
    """Prints a row for each package, and its circles."""
    print("| package | modules | floors | imports | circles |\n| --- | --- | --- | --- | --- |")
    result = {package: layout(package) for package in packages or PACKAGES}
    for package, each in result.items():
        print(f"| {package} | {each.modules} | {each.floors} | {each.imports} | {len(each.circles)} |")
    for package, each in result.items():
        for circle in each.circles:
            print(f"{package}: {', '.join(sorted(circle))} import each other")


if __name__ == "__main__":
    main(sys.argv[1:])
