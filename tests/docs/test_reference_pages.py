"""The pages that are made from the source are as their tool makes them."""

from __future__ import annotations

import pytest
from tools import reference_pages


@pytest.mark.parametrize("page", reference_pages.PAGES)
def test_the_page_is_what_the_library_says(page: str) -> None:
    """docs/errors.md and docs/configuration.md describe every error and option of this version."""
    made = reference_pages.PAGES[page]()
    assert (reference_pages.ROOT / page).read_text(encoding="utf-8") == made, "run: python tools/reference_pages.py"
