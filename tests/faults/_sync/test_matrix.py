# Generated from tests/faults/_async/test_matrix.py by tools/unasync.py. Do not edit.

"""Every operation under every fault: the tables, read past the library, show one application or none, never a half.

Each case is compared with a run without faults from the same tables, the same clock and the same random bytes. The
outcomes make docs/fault-matrix.md.
"""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.fault_proxy import WRITES, Answer, Fault, Seen
from tests.faults import record
from tests.faults._sync.operations import NOT_SENT, OPERATIONS, Operation
from tests.faults._sync.primitives import MET, in_worlds, is_met
from tests.faults._sync.world import Keys, World, comparable, result_of
from tests.faults.catalogue import TROUBLES, Trouble

from torii_dynamodb.contract import Storage
from torii_dynamodb.errors import ToriiError, Unavailable


class Trial:
    """One operation in one world, with or without a fault."""

    def __init__(self, world: World, operation: Operation) -> None:
        self.world = world
        self.operation = operation
        self.result: Any = None
        self.error: ToriiError | None = None
        self.seen: list[Seen] = []
        self.after: Any = None
        self._comparable: dict[str, list[Any]] | None = None

    def run(self, **options: Any) -> Trial:
        """Call it and read the tables."""
        world = self.world
        begin = len(world.proxy.seen)
        storage = world.open(**options)
        try:
            self.result = result_of(self.operation.run(world.of_tenant(storage), world))
        except ToriiError as error:
            self.error = error
            self.result = result_of(error)
        finally:
            storage.close()
        world.proxy.settle()
        self.seen = world.proxy.seen[begin:]
        self.after = world.dump()
        return self

    @property
    def left(self) -> dict[str, list[Any]]:
        """The tables afterwards, for comparison; cached, because many cases are compared with one trial."""
        if self._comparable is None:
            self._comparable = comparable(self.after)
        return self._comparable

    @property
    def tries(self) -> int:
        """The number of times that the most frequent request was sent."""
        return max(Counter(seen.body for seen in self.seen).values(), default=0)


class Case:
    """An operation under a fault that passes or lasts, compared with the operation without it."""

    def __init__(self, operation: Operation, name: str, expected: Trial, *, lasts: bool) -> None:
        self.operation = operation
        self.name = name
        self.trouble = TROUBLES[name]
        self.expected = expected
        self.lasts = lasts
        self.label = f"{name} ({self.trouble.title}), {'lasting' if lasts else 'once'}"
        self.happened = 0

    def __call__(self, world: World) -> str:
        """Run it and reset the world; return the outcome in short."""
        trouble = self.trouble
        fault = self._counted(trouble.make(world.clock, lasts=self.lasts))
        writes = any(seen.operation in WRITES for seen in self.expected.seen)
        only = WRITES if self.lasts and writes and not trouble.all_requests else ()
        refuses = fault.answer == "refuse"
        options: dict[str, Any] = {"read_timeout": trouble.patience}
        if trouble.rotating:
            options["credentials"] = Keys()
        if trouble.patience < 1:
            options["retry_attempts"] = 1 if self.lasts else 5
        if refuses:
            world.proxy.refuse()
            self.happened = 1
            if not self.lasts:
                world.dice.on_pause = world.proxy.listen
        else:
            always = self.lasts or trouble.by_itself
            world.proxy.inject(fault, operation=only, times=None if always else 1, each=not always)
        trial = Trial(world, self.operation)
        try:
            trial.run(**options)
        finally:
            world.proxy.clear()
        try:
            if not self.happened:
                self._same(trial)
                return "cannot occur"
            if not self.lasts or trouble.lasting is None:
                self._same(trial)
                assert trial.tries <= 3 or trouble.patience < 1, f"{self.label}: a request was sent {trial.tries} times"
                return "true outcome" if self.expected.error is not None else "once"
            return self._failed(trial, trouble, world, refuses=refuses)
        finally:
            world.put_back(trial.after if trial.after is not None else world.dump())

    def _counted(self, fault: Fault) -> Fault:
        # A fault that only applies to some requests shows it by not replying.
        make = fault.reply

        def reply(seen: Seen, answer: Answer | None) -> Answer | None:
            assert make is not None
            made = make(seen, answer)
            self.happened += made is not None
            return made

        if make is None:
            self.happened = 1
            return fault
        return replace(fault, reply=reply)

    def _same(self, trial: Trial) -> None:
        assert trial.result == self.expected.result, f"{self.label}: the result differs from the one without a fault"
        self._tables(trial, self.expected.left)

    def _tables(self, trial: Trial, expected: dict[str, list[Any]]) -> None:
        for table, items in expected.items():
            assert trial.left[table] == items, f"{self.label}: {table} is not as it should be"

    def _failed(self, trial: Trial, trouble: Trouble, world: World, *, refuses: bool) -> str:
        error = trial.error
        assert error is not None, f"{self.label}: no error"
        assert type(error) is trouble.lasting, f"{self.label}: {error!r}"
        told = str(error)
        allowed = 2 if trouble.patience < 1 else 3
        if isinstance(error, Unavailable):
            # A kept connection that breaks is retried once at once, over a new one.
            assert 1 < error.attempts <= allowed + 1, f"{self.label}: {error.attempts} attempts"
            if trouble.patience < 1:  # on a busy machine even the proxy may not see a request in time
                assert error.attempts >= trial.tries, f"{self.label}: {trial.tries} tries, {error.attempts} reported"
            elif not refuses and not trouble.all_requests:
                assert error.attempts == trial.tries, f"{self.label}: {trial.tries} tries, {error.attempts} reported"
        else:
            assert trial.tries <= 2, f"{self.label}: a refused request was sent {trial.tries} times"
        if trouble.answered:
            assert error.request_id, f"{self.label}: no request id"
        if not trouble.all_requests or refuses:
            assert error.__cause__ is not None, f"{self.label}: no cause"
        assert "$argon2" not in f"{told}{error.__cause__!r}", f"{self.label}: the error shows a hash"
        name = type(error).__name__
        wrote = self.expected.left != world.unchanged
        if not (trouble.applied and wrote):
            if self.operation.steps and trial.left != world.unchanged:
                return self._completed(trial, world, name)
            self._tables(trial, world.unchanged)
            return f"{name}, unchanged"
        if self.operation.steps:
            return self._completed(trial, world, name)
        self._tables(trial, self.expected.left)
        return f"{name}, applied once"

    def _completed(self, trial: Trial, world: World, name: str) -> str:
        # Several complete writes: calling again does the rest.
        again = Trial(world, self.operation).run()
        trial.after = again.after
        self._same(again)
        return f"{name}, completed by a repeated call"


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if is_met(operation.method, operation.case)], ids=str
)
def test_no_fault_makes_it_lie(worlds: list[World], operation: Operation) -> None:
    """A passing fault: the true outcome, applied once. A lasting one: a named error, nothing half written."""
    expected = Trial(worlds[0], operation).run()
    raised = None if expected.error is None else type(expected.error)
    assert raised is operation.refused, f"without any fault: {expected.error!r}"
    assert expected.tries <= 1, "without any fault, a request was sent twice"
    worlds[0].put_back(expected.after)
    cases = [
        Case(operation, name, expected, lasts=lasts)
        for name in sorted(MET, key=lambda name: TROUBLES[name].patience)  # the ones that wait start first
        for lasts in (False, True)
    ]
    found = dict(zip(((case.name, case.lasts) for case in cases), in_worlds(worlds, cases), strict=True))
    record.compare(operation.name, {name: [found[name, False], found[name, True]] for name in MET})


def test_every_operation_of_the_contract_is_in_the_matrix() -> None:
    """A method that is added to the contract must be added to the matrix."""
    methods = {name for name, member in inspect.getmembers(Storage, inspect.isfunction) if not name.startswith("_")}
    covered = {operation.method for operation in OPERATIONS}
    assert methods - covered == NOT_SENT
    assert covered - methods == {"remove_ended_sessions", "transact_write"}
