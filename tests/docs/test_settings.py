"""The settings page has every setting with its default, and its example loads."""

import re
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from msgspec.structs import NODEFAULT, FieldInfo, fields

from graphpost.config import Config, load

PAGE = (Path(__file__).parents[2] / "docs/settings.md").read_text("utf-8")


def documented() -> dict[str, str]:
    """`section.key` -> the default as written."""
    found, section = {}, ""
    for line in PAGE.splitlines():
        if heading := re.match(r"## (?:\[+(\w+)\]+|Top level)", line):
            section = f"{heading[1]}." if heading[1] else ""
        elif row := re.match(r"\| `(\w+)` \| (`.*?`|required) \| .", line):
            found[section + row[1]] = row[2].strip("`")
    return found


def default(field: FieldInfo) -> str:
    if field.default is not NODEFAULT:
        value: Any = str(field.default) if isinstance(field.default, Path) else field.default
    elif field.default_factory is not NODEFAULT:
        value = field.default_factory()
    else:
        return "required"
    return msgspec.json.encode(value).decode().replace(",", ", ")


def existing() -> dict[str, str]:
    found = {}
    for section in fields(Config):
        kind = get_args(section.type)[0] if get_origin(section.type) is list else section.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found.update({f"{section.name}.{field.name}": default(field) for field in fields(kind)})
        else:
            found[section.name] = default(section)
    return found


def test_every_setting_is_documented_with_its_default() -> None:
    assert documented() == existing()


def test_the_example_loads(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "example.toml"
    file.write_text(example)
    config = load(file, data=tmp_path, environ={}, flags={})
    assert config.mailboxes[0].aliases == ["adele@contoso.test"]
    assert config.routes[0].tls == "verified"
