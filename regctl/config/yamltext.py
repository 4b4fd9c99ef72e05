"""YAML of which every scalar stays the text that was written; only null is None.

Registries read YAML 1.1 into typed fields: a secret of ``0123`` is these four characters, not 83.
"""

from __future__ import annotations

import yaml

#: What a configuration may use of what makes small documents large.
_MOST_ALIASES = 100
_MOST_MERGED = 1000
_RESOLVED = frozenset({"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"})
_SCALARS = ("bool", "int", "float", "timestamp", "binary")


class InvalidYAMLError(ValueError):
    """A text is not YAML. The message says where it goes wrong and quotes nothing of it."""


class _TextLoader(yaml.SafeLoader):
    """A safe loader with texts for scalars, and limits to what aliases can multiply."""

    def __init__(self, stream: bytes | str) -> None:
        super().__init__(stream)
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > _MOST_ALIASES:
                raise InvalidYAMLError(f"the YAML has more than {_MOST_ALIASES} aliases")
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_MERGED:
            raise InvalidYAMLError(f"the YAML has a map of more than {_MOST_MERGED} members")


def _as_written(loader: _TextLoader, node: yaml.ScalarNode) -> object:
    return loader.construct_scalar(node)


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _RESOLVED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name in _SCALARS:
    _TextLoader.add_constructor(f"tag:yaml.org,2002:{_name}", _as_written)


def load_yaml(content: bytes | str) -> object:
    """The first document in ``content``: None, text, or lists and dicts of these.

    Raises `InvalidYAMLError`.
    """
    try:
        # Not yaml.load, which wants a single document; registries read the first.
        return next(iter(yaml.load_all(content, _TextLoader)), None)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        # Here and below without the cause: its text quotes what may be a secret.
        raise InvalidYAMLError(f"not YAML{place}") from None
    except (yaml.YAMLError, UnicodeError):
        raise InvalidYAMLError("not YAML: not text, or a character that YAML forbids") from None
    except RecursionError:
        raise InvalidYAMLError("not YAML that can be read: nested too deeply") from None
