"""In which order scripts are loaded and callbacks called, by the rules of `metadata.ini`."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from ti_studio.extensions.boundary import Boundary
from ti_studio.extensions.discovery import Extension
from ti_studio.extensions.metadata import Order


def in_order(goes_after: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the names so that each stands behind those that it goes after, otherwise as they are given.

    Names that are not there and circles are passed over, as in A1111.
    """
    seen: set[str] = set()
    ordered: list[str] = []

    def place(name: str) -> None:
        seen.add(name)
        for earlier in goes_after[name]:
            if earlier in goes_after and earlier not in seen:
                place(earlier)
        ordered.append(name)

    for name in goes_after:
        if name not in seen:
            place(name)
    return ordered


def ordered_scripts(extensions: Iterable[Extension], boundary: Boundary) -> list[tuple[Extension, Path]]:
    """Returns the scripts of extensions in the order in which they are to be loaded.

    Args:
        extensions: those to be loaded.
        boundary: is told of scripts that require what is not there.
    """
    loaded = list(extensions)
    scripts = {
        f"{extension.metadata.name}/{path.name.lower()}": (extension, path)
        for extension in loaded
        for path in extension.files("scripts", ".py")
    }
    there = scripts.keys() | {name for extension in loaded for name in extension.names}

    def named(name: str) -> list[str]:
        """A name is a script's, or an extension's for all of its scripts."""
        return [name] if name in scripts else [one for one, (owner, _) in scripts.items() if name in owner.names]

    goes_after: dict[str, list[str]] = {script: [] for script in scripts}
    for script, (extension, path) in scripts.items():
        order = extension.metadata.order_of(path.name)
        goes_after[script] += chain.from_iterable(map(named, order.after))
        for later in chain.from_iterable(map(named, order.before)):
            goes_after[later].append(script)
        for missing in (name for name in order.requires if there.isdisjoint(name.split("|"))):
            boundary.note(extension.name, f"scripts/{path.name} requires {missing!r}, which is not loaded.")
    return [scripts[script] for script in in_order(goes_after)]


def ordered_names(names: Sequence[str], rules: Mapping[str, Order], first: Sequence[str] = ()) -> list[str]:
    """Returns the names of callbacks in the order in which they are to be called.

    Args:
        names: in the order in which they were registered.
        rules: what extensions say of their callbacks.
        first: names that the person wants before all others.
    """
    goes_after = {name: list(rules.get(name, Order()).after) for name in names}
    for name in names:
        for later in rules.get(name, Order()).before:
            if later in goes_after:
                goes_after[later].append(name)
    ordered = in_order(goes_after)
    leading = [name for name in first if name in goes_after]
    return [*leading, *(name for name in ordered if name not in leading)]
