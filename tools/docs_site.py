"""What MkDocs does not do by itself: the hook of mkdocs.yml.

- The README is the start page. The changelog, CONTRIBUTING and others are pages, too, and stay where GitHub looks for
  them.
- Links that leave ``docs/`` lead to these pages, or to the repository.
- The API reference has a page for each public module, with every name that the module exports.
- No page makes a request to another host.

As an extension of griffe, it also turns the roles of docstrings (``:class:`User```) into links.
"""

from __future__ import annotations

import ast
import posixpath
import re
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src"
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security.md",
}
"""The pages that are not in ``docs/``, and what they are called on the site."""
CLOSED = ("cli", "django", "fastapi.admin", "fastapi.example", "fastapi.pages", "fastapi.routes", "flask")
"""Packages whose interface is only what they themselves export."""
FRAMEWORKS = ("torii_dynamodb.django", "torii_dynamodb.flask", "torii_dynamodb.starlette")
"""An application uses one of these. They have the same names, each for its framework."""

_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(?=[)#])")
_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_ROLE = re.compile(r":(attr|class|data|func|meth|mod):`([^`]+)`")
_SHIM = '<script src="https://unpkg.com/iframe-worker/shim"></script>'


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the API reference into the navigation."""
    if _with_api(config):
        (reference,) = [part["Reference"] for part in config.nav or [] if "Reference" in part]
        pages = [{module: f"api/{module}.md"} for module in modules()]
        reference.append({"Python API": [{"The services": "api/services.md"}, *pages]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in ``docs/``."""
    for name, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    if _with_api(config):
        files.append(File.generated(config, "api/services.md", content=services_page()))
        for module, names in modules().items():
            files.append(File.generated(config, f"api/{module}.md", content=api_page(module, names)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    del files
    uri = page.file.src_uri
    source = next((name for name, shown in OUTSIDE.items() if shown == uri), f"docs/{uri}")

    def target(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        shown = OUTSIDE.get(path, path.removeprefix("docs/"))
        if shown == path and not path.startswith("docs/"):
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            return f"{config.extra['repository']}/{kind}/main/{path}"
        return posixpath.relpath(shown, posixpath.dirname(uri) or ".")

    parts = _CODE.split(markdown)
    return "".join(part if part.startswith("`") else _LINK.sub(target, part) for part in parts)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Search pages that are opened from the disk without a script of another host."""
    del config
    own = posixpath.relpath("assets/search-from-disk.js", posixpath.dirname(page.file.dest_uri) or ".")
    return output.replace(_SHIM, f'<script src="{own}"></script>')


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """The same for the page of status 404."""
    del template_name, config
    return output_content.replace(_SHIM, "")


def on_post_build(config: MkDocsConfig) -> None:
    """Fail if a public name is missing from the reference, as when a name in ``members`` does not exist."""
    if not _with_api(config):
        return
    inventory = (Path(config.site_dir) / "objects.inv").read_bytes().split(b"zlib.\n", 1)[1]
    described = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    every = [f"{module}.{name}" for module, names in modules().items() for name in names]
    missing = [name for name in every if name not in described]
    if missing:
        raise PluginError(f"the API reference does not describe: {', '.join(missing)}")


class Roles(griffe.Extension):
    """Turn the roles of docstrings into links to public names, or into code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change an object's docstring, if it has one."""
        if obj.docstring:
            obj.docstring.value = _ROLE.sub(_linked, obj.docstring.value)


def _linked(role: re.Match[str]) -> str:
    shown = role[2].lstrip("~").removeprefix("!")
    if role[2].startswith("~"):
        shown = shown.rpartition(".")[2]
    if role[1] in ("func", "meth"):
        shown += "()"
    home = homes().get(role[2].rpartition(".")[2])
    return f"[`{shown}`][{home}]" if home else f"`{shown}`"


@cache
def homes() -> dict[str, str]:
    """Where each public name is described."""
    return {name: f"{module}.{name}" for module, names in modules().items() for name in names}


@cache
def modules() -> dict[str, list[str]]:
    """The public modules with the names to describe on the page of each, which is the shortest that exports them."""
    described: set[str] = set()
    found: dict[str, list[str]] = {}
    for module, path in sorted(_public(), key=lambda one: (one[0].count("."), one[0])):
        # A function may have the name of the module that it is in: that module's page describes it.
        below = {one.stem for one in path.parent.glob("*.py")} if path.stem == "__init__" else set[str]()
        names = [name for name in _exported(path) if not name.startswith("__") and name not in below]
        if module in FRAMEWORKS:
            new = names
        else:
            new = [name for name in names if name not in described]
            described.update(new)
        if new:
            found[module] = new
    return found


def api_page(module: str, names: list[str]) -> str:
    """A page of the API reference."""
    lines = [f"# {module}", ""]
    lines += [f"::: {module}", "    options:", "      show_root_heading: false", "      show_root_toc_entry: false"]
    lines += ["      members:", *(f"        - {name}" for name in names)]
    return "\n".join(lines) + "\n"


def services_page() -> str:
    """The services, which have no public module: they are reached as attributes of ``AsyncTorii``."""
    tree = ast.parse((SOURCES / "torii_dynamodb/_async/services/torii.py").read_text(encoding="utf-8"))
    homes_of = {
        name.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names
    }
    (torii,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "AsyncTorii"]
    lines = [
        "# The services",
        "",
        "What `AsyncTorii` has as attributes. Those of `Torii` are the same, without `await`.",
    ]
    for method in torii.body:
        kind = ast.unparse(method.returns) if isinstance(method, ast.FunctionDef) and method.returns else ""
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and kind.startswith("Async"):
            lines += ["", f"## torii.{method.name}", "", f"::: {homes_of[kind]}.{kind}", "    options:"]
            lines += ["      show_root_heading: false", "      show_root_toc_entry: false", "      heading_level: 3"]
    return "\n".join(lines) + "\n"


def _with_api(config: MkDocsConfig) -> bool:
    return bool(config.plugins["mkdocstrings"].config["enabled"])


def _public() -> Iterator[tuple[str, Path]]:
    for path in sorted((SOURCES / "torii_dynamodb").rglob("*.py")):
        parts = path.relative_to(SOURCES).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        below = ".".join(parts[1:])
        if not any(part.startswith("_") for part in parts) and not below.startswith(tuple(f"{one}." for one in CLOSED)):
            yield ".".join(parts), path


def _exported(path: Path) -> list[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []
