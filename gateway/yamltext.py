"""YAML read as text: every scalar keeps the characters that the admin typed.

YAML 1.1 turns `+4930…` into a number without its plus, `0301` into octal and `12:30` into 750.
So nothing is constructed here: the file is composed into nodes, and the schema of the reader (the
configuration, the dial plan) says what a scalar means. `0301` and `"0301"` are the same text.

Left out on purpose: anchors, aliases, merge keys, tags other than `!env` and `!file`, and more
than one document. Every error names file, line and column; `Problems` collects them, so that the
admin sees all mistakes of a file at once.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from gateway.errors import ConfigError, TrestleError

T = TypeVar("T")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD_TAG = "tag:yaml.org,2002:"
_ON = frozenset({"on", "yes", "true"})
_OFF = frozenset({"off", "no", "false"})
_MAX_DEPTH = 32

MIN_KEY = 12
"""Characters of a key that everybody may try to guess."""


class ConfigErrors(TrestleError):
    """All mistakes of one run; prints one per line."""

    def __init__(self, errors: Collection[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class Problems:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self._errors: list[ConfigError] = []

    def add(self, error: ConfigError) -> None:
        self._errors.append(error)

    def raise_any(self) -> None:
        """Raises `ConfigErrors`, in order of place, if anything was added."""
        if self._errors:
            raise ConfigErrors(sorted(self._errors, key=lambda e: (e.file, e.line, e.column)))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document comes from, and what its `!env` and `!file` refer to."""

    name: str
    """What errors call the file."""
    folder: Path
    """Relative paths start here."""
    environ: Mapping[str, str]
    problems: Problems


@dataclass(frozen=True, slots=True)
class Value:
    """One node with its way from the top, such as `web.port` or `routes[2].match`."""

    node: yaml.Node
    key: str
    source: Source

    def error(self, text: str) -> ConfigError:
        """A mistake at this place, for raising or for `Problems.add`."""
        mark = self.node.start_mark
        return ConfigError(self.source.name, mark.line + 1, mark.column + 1, self.key, text)

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    def text(self) -> str:
        """The characters of a scalar, quoted or not."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error("expected one value, not a list or names with values")
        if not self.node.tag.startswith(_STANDARD_TAG):
            raise self.error(f"'{self.node.tag}' is not known here; !env and !file are for secrets")
        return self._filled(str(self.node.value))

    def _filled(self, text: str) -> str:
        if not text:
            raise self.error("nothing stands here (a value that starts with '#' must be in quotes)")
        return text

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the given words, without quotes."""
        node = self.node
        return isinstance(node, yaml.ScalarNode) and not node.style and node.value in words

    def secret(self) -> str:
        """What `!env NAME` or `!file path` names. A secret that stands here itself is refused."""
        node = self.node
        if not isinstance(node, yaml.ScalarNode) or node.tag not in ("!env", "!file"):
            raise self.error("a secret does not stand here itself: use !env NAME or !file path")
        name = self._filled(str(node.value))
        if node.tag == "!env":
            found = self.source.environ.get(name, "")
            if not found:
                raise self.error(f"the environment variable {name} is not set")
            return found
        try:
            found = (self.source.folder / name).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise self.error(f"the file {name} cannot be read: {_why(error)}") from None
        if not found:
            raise self.error(f"the file {name} is empty")
        return found

    def items(self) -> list["Value"]:
        """The entries of a list; one value alone is a list of one."""
        if isinstance(self.node, yaml.ScalarNode):
            return [self]
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("expected a list")
        return [
            Value(node, f"{self.key}[{index}]", self.source)
            for index, node in enumerate(self.node.value)
        ]

    def names(self) -> dict[str, "Value"]:
        """A mapping whose names the admin chooses. A name that stands twice is reported."""
        found: dict[str, Value] = {}
        for name, key, value in self._pairs():
            if key in found:
                self.source.problems.add(name.error(f"'{key}' stands here twice"))
            else:
                found[key] = value
        return found

    def section(self, known: Collection[str]) -> "Section":
        """A mapping whose names the schema chooses. Unknown and repeated names are reported."""
        found: dict[str, Value] = {}
        for name, key, value in self._pairs():
            if key not in known:
                self.source.problems.add(name.error(f"unknown name '{key}'{_nearest(key, known)}"))
            elif key in found:
                self.source.problems.add(name.error(f"'{key}' stands here twice"))
            else:
                found[key] = value
        return Section(self, found)

    def _pairs(self) -> Iterator[tuple["Value", str, "Value"]]:
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("expected names with values")
        for name_node, value_node in self.node.value:
            name = Value(name_node, self.key, self.source)
            try:
                text = name.text()
            except ConfigError as error:
                self.source.problems.add(error)
                continue
            key = f"{self.key}.{text}" if self.key else text
            yield Value(name_node, key, self.source), text, Value(value_node, key, self.source)


@dataclass(frozen=True, slots=True)
class Section:
    """The known names of one mapping, as far as they were given."""

    value: Value
    found: Mapping[str, Value]

    def read(self, name: str, reader: Callable[[Value], T], default: T) -> T:
        """Reads one value. A mistake in it is reported, and the default goes on in its place."""
        value = self.found.get(name)
        if value is None:
            return default
        try:
            return reader(value)
        except ConfigError as error:
            self.value.source.problems.add(error)
            return default

    def need(self, name: str) -> Value:
        """A value that must be there. Raises `ConfigError`."""
        if name not in self.found:
            raise self.value.error(f"'{name}' is missing")
        return self.found[name]


def read(path: Path, environ: Mapping[str, str], problems: Problems) -> Value:
    """The top of a YAML file. Raises `ConfigErrors` if it cannot be read as YAML at all."""
    source = Source(str(path), path.parent, environ, problems)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigErrors([ConfigError(str(path), 0, 0, "", _why(error))]) from None
    return parse(text, source)


def parse(text: str, source: Source) -> Value:
    """The same for a text that is at hand already."""
    try:
        _refuse_what_nobody_needs(text, source)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise ConfigErrors([_syntax_error(error, text, source)]) from None
    except yaml.YAMLError as error:
        raise ConfigErrors([ConfigError(source.name, 0, 0, "", f"is not YAML: {error}")]) from None
    if node is None:
        start = yaml.Mark(source.name, 0, 0, 0, None, 0)
        node = yaml.MappingNode(f"{_STANDARD_TAG}map", [], start, start)
    return Value(node, "", source)


def _refuse_what_nobody_needs(text: str, source: Source) -> None:
    """Looks at the events, which composing would follow without asking.

    `*6` and `&x` are keypad sequences and names to the admin but an alias and an anchor to YAML,
    and composed nodes no longer tell. Deep nesting makes the C composer overflow its stack.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        why = ""
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            why = f"'{sign}{event.anchor}' must be in quotes: YAML gives '{sign}' its own meaning"
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            why = why or ("is nested too deeply" if depth > _MAX_DEPTH else "")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if why:
            raise ConfigErrors([_error_at(event.start_mark, why, source)])


def _syntax_error(error: yaml.MarkedYAMLError, text: str, source: Source) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    here = ""
    if mark is not None and mark.line < len(lines):
        here = lines[mark.line][mark.column : mark.column + 1]
    if here == "\t":
        why = "a tab cannot indent, use spaces"
    elif here and here in "@%`*&":
        why = f"a value that starts with '{here}' must be in quotes"
    else:
        why = f"{error.problem or error.context}; a value with any of {{}}[],:#*&@% may need quotes"
    return _error_at(mark, why, source)


def _error_at(mark: Any, why: str, source: Source) -> ConfigError:
    """`mark` is one of PyYAML's two Mark classes, or None."""
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    return ConfigError(source.name, line, column, "", why)


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f", did you mean '{near[0]}'?"
    return f", known here: {', '.join(known)}" if known else ", nothing can be set here"


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not UTF-8 text"


# --- what a scalar can mean -----------------------------------------------------------------


def text(value: Value) -> str:
    return value.text()


def switch(value: Value) -> bool:
    """`on/off`, `yes/no` or `true/false`."""
    word = value.text().lower()
    if word not in _ON | _OFF:
        raise value.error(f"expected on or off, not '{word}'")
    return word in _ON


def whole(low: int, high: int) -> Callable[[Value], int]:
    """A whole number from `low` to `high`."""

    def reader(value: Value) -> int:
        digits = value.text()
        # int() would also take "1_000", " 7 " and digits of other scripts.
        if not (digits.isascii() and digits.isdigit()) or not low <= int(digits[:20]) <= high:
            raise value.error(f"expected a whole number from {low} to {high}, not '{digits}'")
        return int(digits)

    return reader


def secret(shortest: int) -> Callable[[Value], str]:
    """What `!env NAME` or `!file path` names, of so many characters at least."""

    def reader(value: Value) -> str:
        found = value.secret()
        if len(found) < shortest:
            raise value.error(f"is too easy to guess: expected at least {shortest} characters")
        return found

    return reader


def choice(*words: str) -> Callable[[Value], str]:
    """One of the given words."""

    def reader(value: Value) -> str:
        word = value.text()
        if word not in words:
            near = difflib.get_close_matches(word, words, 1)
            hint = f", did you mean '{near[0]}'?" if near else ""
            raise value.error(f"expected one of {', '.join(words)}, not '{word}'{hint}")
        return word

    return reader


def optional(reader: Callable[[Value], T]) -> Callable[[Value], T | None]:
    """The word `none` (or `off`), or what `reader` reads."""
    return lambda value: None if value.is_word("none", "off") else reader(value)


def file_path(value: Value) -> Path:
    """A path, relative to the file it stands in; `~` is the home folder."""
    try:
        return value.source.folder / Path(value.text()).expanduser()
    except RuntimeError as error:
        raise value.error(str(error)) from None


def existing_folder(value: Value) -> Path:
    """The path of a folder that is there."""
    found = file_path(value)
    if not found.is_dir():
        raise value.error(f"there is no folder {found}")
    return found


def new_folder(value: Value) -> Path:
    """The path of a folder that is there, or that can still be made."""
    found = file_path(value)
    if found.exists() and not found.is_dir():
        raise value.error(f"{found} is no folder")
    return found


def existing_file(value: Value) -> Path:
    """The path of a file that is there."""
    found = file_path(value)
    if not found.is_file():
        raise value.error(f"there is no file {found}")
    return found
