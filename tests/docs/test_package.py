"""The package's metadata as built, and the packages needed to work on it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

import torii_dynamodb

ROOT = Path(__file__).parents[2]
HOME = "https://github.com/torii-dynamodb/torii-dynamodb"


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def contents(wheel: Path) -> zipfile.ZipFile:
    """The built wheel, open."""
    return zipfile.ZipFile(wheel)


@pytest.fixture(scope="module")
def metadata(contents: zipfile.ZipFile) -> Message:
    """The wheel's METADATA."""
    (name,) = [name for name in contents.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(contents.read(name).decode())


def test_the_metadata_is_complete(metadata: Message) -> None:
    """Author, licence, description and the links that an index shows, all to one repository, are there."""
    assert metadata["Author"] == "the torii-dynamodb authors"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    urls = dict(str(one).split(", ") for one in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Repository", "Documentation", "Changelog", "Issues", "Security"}
    assert all(url == HOME or url.startswith(f"{HOME}/") for url in urls.values())
    assert "dev" not in metadata.get_all("Provides-Extra", [])


def test_the_readme_has_no_relative_links(metadata: Message) -> None:
    """On the package index, the README's links are absolute and lead to files that the repository has."""
    description = str(metadata.get_payload())
    links = re.findall(r"\]\(([^)\s]+)\)", description)
    assert len(links) > 10
    for link in links:
        assert link.startswith(("https://", "#")), link
        if link.startswith(f"{HOME}/blob/main/"):
            assert (ROOT / link.removeprefix(f"{HOME}/blob/main/").partition("#")[0]).exists(), link
    assert not re.search(r'(?:src|href)="(?!https://|#)', description)


def test_the_wheel_contains_what_the_library_reads(contents: zipfile.ZipFile) -> None:
    """The wheel contains every file below src and the licence; no tests, no tools."""
    names = set(contents.namelist())
    below = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert below == {name for name in names if ".dist-info/" not in name}
    assert {"torii_dynamodb/py.typed", "torii_dynamodb/data/common_passwords.LICENSE.txt"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"torii_dynamodb"}


def test_the_source_distribution_contains_what_builds_the_wheel(distributions: Path, contents: zipfile.ZipFile) -> None:
    """The sdist has the same files below src as the wheel, what the build reads, and nothing else."""
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    built = {name for name in contents.namelist() if name.startswith("torii_dynamodb/")}
    others = {"PKG-INFO", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", ".gitignore"}
    assert names == {f"src/{name}" for name in built} | others


def test_the_wheel_contains_only_what_users_run(contents: zipfile.ZipFile) -> None:
    """Every module of the wheel is imported by another one, except those that users or processes start from."""
    texts = {name: contents.read(name).decode() for name in contents.namelist() if name.endswith(".py")}
    modules = {name.removesuffix(".py").replace("/", "."): text for name, text in texts.items()}
    used: set[str] = set()
    for module, text in modules.items():
        named = set(re.findall(r"torii_dynamodb[.\w]*", text))
        for package, names in re.findall(r"from (torii_dynamodb[.\w]*) import (\([^)]*\)|[^\n]*)", text):
            named |= {f"{package}.{name}" for name in re.findall(r"\w+", names)}
        used |= named - {module}
    unused = {name.removeprefix("torii_dynamodb.") for name in set(modules) - used if not name.endswith("__init__")}
    public = {
        "aws_lambda.powertools",
        "cognito",
        "contract",
        "django.apps",
        "django.asgi",
        "django.backends",
        "django.context_processors",
        "django.decorators",
        "django.middleware",
        "django.mixins",
        "django.urls",
        "fastapi_users",
        "hashes",
        "jwt",
        "otel",
        "policies",
        "publishers",
        "secret_box",
        "secrets_manager",
        "starlette",
        "testing.conformance",
        "transport",
    }
    assert unused - public == {"cli.__main__", "local._moto_process"}


def test_the_version_is_stated_once(metadata: Message) -> None:
    """The package's metadata and ``torii_dynamodb.__version__`` name the same version."""
    assert metadata["Version"] == torii_dynamodb.__version__ == _version()


def test_the_extras_page_names_every_extra(settings: dict[str, Any]) -> None:
    """docs/extras.md has a row for each extra."""
    rows = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs" / "extras.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == sorted(settings["project"]["optional-dependencies"])


def test_the_classifiers_match_the_pythons_of_ci(settings: dict[str, Any]) -> None:
    """The classifiers name exactly the Pythons of CI's matrix; ``requires-python`` names the oldest."""
    named = re.findall(r"Python :: (3\.\d+)'", str(settings["project"]["classifiers"]))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = re.search(r"python: \[(.*)\]", workflow)
    assert matrix is not None
    assert named == re.findall(r"3\.\d+", matrix[1])
    assert settings["project"]["requires-python"] == f">={named[0]}"


def test_the_development_packages_are_read_with_any_pip(settings: dict[str, Any]) -> None:
    """The tool that ``make setup`` runs prints the group ``dev``, which does not name this package."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "dev_packages.py"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == settings["dependency-groups"]["dev"]
    assert "torii-dynamodb" not in done.stdout


def test_every_extra_is_in_all(settings: dict[str, Any]) -> None:
    """``all`` includes every extra except ``testing``, whose packages are in ``dev``."""
    extras = settings["project"]["optional-dependencies"]
    (every,) = extras["all"]
    named = set(every.partition("[")[2].rstrip("]").split(","))
    assert named == set(extras) - {"all", "testing"}


def test_how_to_report_a_vulnerability_is_stated() -> None:
    """SECURITY.md says how to report a vulnerability and names the supported version; CONTRIBUTING links to it."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in page
    assert "SECURITY.md" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"| {re.sub(r'[.][0-9]+$', '', _version())} | yes |" in page


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
