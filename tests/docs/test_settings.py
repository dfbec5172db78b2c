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
        if heading := re.match(r"## (?:\[+([\w.]+)\]+|Top level)", line):
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


def existing(kind: Any = Config, where: str = "") -> dict[str, str]:
    found = {}
    for field in fields(kind):
        inner = get_args(field.type)[0] if get_origin(field.type) is list else field.type
        is_table = isinstance(inner, type) and issubclass(inner, msgspec.Struct)
        if is_table:
            found.update(existing(inner, f"{where}{field.name}."))
        if where or not is_table:
            found[where + field.name] = default(field)
    return found


def test_every_setting_is_documented_with_its_default() -> None:
    assert documented() == existing()


def test_the_example_loads(tmp_path: Path) -> None:
    example, *others = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "example.toml"
    file.write_text(example)
    config = load(file, data=tmp_path, environ={}, flags={})
    assert config.mailboxes[0].aliases == ["adele@contoso.test"]
    assert config.routes[0].tls == "verified"
    for name in ("exchange.secret", "relay.password"):
        (tmp_path / name).write_text("secret\n")
    for other in others:
        file.write_text(other)
        load(file, data=tmp_path, environ={"ELSEWHERE_PASSWORD": "secret"}, flags={})
