"""The site builds strictly: links and anchors work, and every page is in the navigation.

Without the API reference, which takes longer: ``make docs`` builds all of it.
"""

from __future__ import annotations

import logging
import re
import warnings
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from tests.unit.test_public_names import is_closed
from tools.docs_site import FRAMEWORKS, modules, services_page

import torii_dynamodb

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, without the API reference. It is built strictly: a warning fails."""
    target = tmp_path_factory.mktemp("site")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as environment:
        warnings.simplefilter("ignore")  # those of MkDocs' own code
        environment.setenv("API_REFERENCE", "false")
        environment.setenv("NO_MKDOCS_2_WARNING", "1")
        from mkdocs.commands.build import build
        from mkdocs.config import load_config

        logging.getLogger("mkdocs").setLevel(logging.WARNING)
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(target))
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
    return target


def test_no_page_asks_another_host(site: Path) -> None:
    """Scripts, styles, images and fonts are the site's own, so it works without a network."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//[^"]*', text) == [], page.name
        assert re.findall(r'<link[^>]*\shref="(?:https?:)?//[^"]*"[^>]*>', text) == [], page.name


def test_every_public_name_has_a_place_in_the_api_reference() -> None:
    """Each name that a public module exports is described on one of the generated pages."""
    names = ["torii_dynamodb", *(found.name for found in walk_packages(torii_dynamodb.__path__, "torii_dynamodb."))]
    exported = {
        (module if module in FRAMEWORKS else "", name)
        for module in names
        if "._" not in module and not is_closed(module)
        for name in getattr(import_module(module), "__all__", [])
        if not name.startswith("__")
    }
    described = {("", name) for names in modules().values() for name in names}
    described |= {(module, name) for module in FRAMEWORKS for name in modules()[module]}
    assert exported - described == set()


def test_every_service_has_a_place_in_the_api_reference() -> None:
    """Each service that ``AsyncTorii`` has as an attribute is described on the page of the services."""
    assert len(re.findall("^## torii", services_page(), re.MULTILINE)) >= 11
