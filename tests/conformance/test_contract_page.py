"""The contract page and its generator's rules."""

from __future__ import annotations

from tools import contract_page


def test_every_clause_has_a_test_and_the_page_is_current() -> None:
    """Every clause has a test, every citation names a clause, and docs/contract.md is up to date."""
    assert contract_page.main(["--check"]) == 0


def test_what_is_wrong_is_told() -> None:
    """A clause without a test, an unknown citation, and two tests with one name are each reported."""
    sections = [
        contract_page.Section("P", "", "m", contract_page.clauses_in("x\n\nClauses:\n    A-1: One\n        more.\n"))
    ]
    assert sections[0].clauses[0].text == "One more."
    tests = [contract_page.Test("test_x", "Claim.", "a.py", line, ("B-2",)) for line in (1, 2)]
    told = "\n".join(contract_page.join(sections, tests))
    assert "no test cites A-1" in told
    assert "cites B-2, which the contract does not have" in told
    assert "has a test of this name" in told


def test_no_test_of_the_suite_hides_another() -> None:
    """No two tests of the kit have the same name."""
    tests = contract_page.read_tests(contract_page.ROOT)
    assert len({test.name for test in tests}) == len(tests)
