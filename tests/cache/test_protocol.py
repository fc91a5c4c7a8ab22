"""The cache's protocol, tried in every order of its steps.

The search is exhaustive: from each state, every process takes its next step, and the cache may lose a key, restart, or
return to what it held one step earlier (a failover that lost the last write). The rules are the library's own
(``_core/cache.py``). Where one of them is broken, the search must find a wrong answer.

A process that is frozen is one that takes no step for a while, so it needs no case of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from torii_dynamodb._core.cache import after_write, lease_mark, may_fill, may_lease

MAX_AGE = 1
_FAILURES = 2 if os.environ.get("TORII_LONG") else 1


@dataclass(frozen=True)
class Rules:
    """The protocol, with each rule replaceable."""

    lease: Callable[[bytes | None, bytes], bool] = may_lease
    fill: Callable[[bytes | None, bytes], bool] = may_fill
    mark: Callable[[int], bytes] = lambda reader: lease_mark(b"%d" % reader)
    after_write: Callable[[bytes | None, bool], bytes | None] = lambda held, undecided: after_write(
        held, undecided=undecided
    )
    dated_before_read: bool = True
    removes_first: bool = False


@dataclass(frozen=True)
class World:
    """Everything that the outcome depends on.

    An entry is ``b"E"``, the time it is dated, and whether the session is valid in it. DynamoDB says ``valid``
    until the write is applied.
    """

    valid: bool = True
    held: bytes | None = None
    before: bytes | None = None
    now: int = 0
    # The writer: its next step, and when its operation returned.
    write: str = "apply"
    returned_at: int | None = None
    # The readers: next step, what they read, when they took their lease, whether they began after the return.
    readers: tuple[tuple[str, bool, int, bool], ...] = (("get", False, 0, False),) * 2
    losses: int = 0
    wrong: str = ""


@dataclass(frozen=True)
class Search:
    """Which events happen, and where the search begins."""

    rules: Rules = field(default_factory=Rules)
    losses: int = 1
    failovers: bool = False
    times: int = 0
    undecided: bool = False

    def start(self) -> World:
        if self.rules.removes_first:
            return World(write="remove")
        return World(write="no answer" if self.undecided else "apply")

    def mistake(self) -> str | None:
        """Visit every reachable state, until one is a mistake: return it."""
        seen, todo = {self.start()}, [self.start()]
        while todo:
            for after in self.steps(todo.pop()):
                if after.wrong:
                    return after.wrong
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return None

    def steps(self, world: World) -> Iterator[World]:
        yield from self.writer(world)
        for index in range(len(world.readers)):
            yield from self.reader(world, index)
        if world.losses < self.losses and world.held is not None:
            yield replace(world, held=None, before=None, losses=world.losses + 1)
        if self.failovers and world.held != world.before and world.losses < self.losses:
            yield replace(world, held=world.before, losses=world.losses + 1)
        if world.now < self.times:
            yield replace(world, now=world.now + 1)

    def writer(self, world: World) -> Iterator[World]:
        removed = self.rules.after_write(world.held, self.undecided)
        match world.write:
            case "remove":  # broken: before the write
                yield replace(world, held=removed, before=world.held, write="apply")
            case "apply" if self.rules.removes_first:
                yield replace(world, valid=False, write="done", returned_at=world.now)
            case "apply":
                yield replace(world, valid=False, write="leave")
            case "leave":
                yield replace(world, held=removed, before=world.held, write="done", returned_at=world.now)
            case "no answer":  # DynamoDB may still apply it
                yield replace(world, held=removed, before=world.held, write="late")
            case "late":
                # The caller was told that it is unknown. From here on, the session must be seen as ended.
                yield replace(world, valid=False, write="done", returned_at=world.now)
            case _:
                pass

    def reader(self, world: World, index: int) -> Iterator[World]:
        step, read, leased, late = world.readers[index]
        mark = self.rules.mark(index)

        def go(step: str, *, read: bool = read, leased: int = leased, late: bool = late, **changes: object) -> World:
            readers = list(world.readers)
            readers[index] = (step, read, leased, late)
            return replace(world, readers=tuple(readers), **changes)  # type: ignore[arg-type]

        match step:
            case "get":
                # It begins after the writer's return, so its answer must be right.
                late = world.returned_at is not None
                if world.held is not None and world.held.startswith(b"E"):
                    dated, valid = int(world.held[1:2]), world.held[2:] == b"1"
                    if world.now - dated < MAX_AGE:
                        yield go("done", late=late, wrong=self.judge(world, valid, late))
                        return
                yield go("lease", late=late)
            case "lease":
                if self.rules.lease(world.held, mark):
                    yield go("read", leased=world.now, held=mark, before=world.held)
                else:
                    yield go("read only")
            case "read only":
                yield go("done", wrong=self.judge(world, world.valid, late))
            case "read":
                dated = leased if self.rules.dated_before_read else -1
                yield go("fill", read=world.valid, leased=dated, wrong=self.judge(world, world.valid, late))
            case "fill":
                if self.rules.fill(world.held, mark):
                    dated = leased if leased >= 0 else world.now
                    entry = b"E%d%d" % (dated, read)
                    yield go("done", held=entry, before=world.held)
                yield go("again")
            case "again":  # the same process checks once more
                yield go("get")
            case _:
                pass

    def judge(self, world: World, answer: bool, late: bool) -> str:
        if not late or not answer or world.valid:
            return ""
        assert world.returned_at is not None
        if self.failovers and world.now - world.returned_at < MAX_AGE:
            return ""  # a cache that lost a removal may be wrong for that long
        return f"a check that began after the return passed {world.now - world.returned_at} later"


@pytest.mark.parametrize("losses", [0, 1, 2])
def test_no_check_passes_that_begins_after_the_revocation_returned(losses: int) -> None:
    """However the steps are ordered, and whichever keys the cache loses, no ended session passes."""
    assert Search(losses=losses).mistake() is None


def test_a_write_that_may_be_applied_later_is_seen_when_it_is() -> None:
    """While it is unknown whether DynamoDB applied a write, checks read DynamoDB."""
    assert Search(undecided=True, losses=0).mistake() is None


def test_a_cache_that_loses_removals_is_wrong_for_less_than_max_age() -> None:
    """After a failover that lost the last writes, an ended session passes for less than ``max_age``."""
    assert Search(failovers=True, losses=_FAILURES, times=2).mistake() is None


BROKEN = {
    "a fill without a lease": Search(Rules(fill=lambda held, mark: True)),
    "a fill wherever there is nothing": Search(Rules(fill=lambda held, mark: held in (None, mark))),
    "all readers with the same mark": Search(Rules(mark=lambda reader: lease_mark(b"same")), losses=0),
    "a write that leaves the lease": Search(
        Rules(after_write=lambda held, undecided: held if held is not None and held.startswith(b"L") else None)
    ),
    "a write that leaves the entry": Search(Rules(after_write=lambda held, undecided: held)),
    "removal before the write": Search(Rules(removes_first=True)),
    "no barrier after an unknown outcome": Search(
        Rules(after_write=lambda held, undecided: None), undecided=True, losses=0
    ),
    "a lease in spite of the barrier": Search(
        Rules(lease=lambda held, mark: held is None or not held.startswith(b"E")), undecided=True, losses=0
    ),
    "entries dated when they are stored": Search(
        Rules(dated_before_read=False), failovers=True, losses=_FAILURES, times=2
    ),
}


@pytest.mark.parametrize("search", BROKEN.values(), ids=BROKEN)
def test_each_rule_is_needed(search: Search) -> None:
    """Without any one rule, the search finds an ended session that passes."""
    assert search.mistake() is not None
