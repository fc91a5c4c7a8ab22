"""Measure whether the time of a wrong password reveals what is stored for an address.

    python tools/password_times.py                 30 rounds, about three minutes on a quiet machine
    python tools/password_times.py --rounds 200

Each round verifies one wrong password against every kind of stored hash, in random order, with one ImportedHashes. For
each, the table shows median and mean of the time that passed and of the CPU time, which other processes disturb less,
and the two-sample Kolmogorov-Smirnov test of the CPU time against "nobody": p is how likely a difference at least as
large is if the times have the same distribution. The suite's test counts the work exactly
(tests/unit/rules/test_imported_hashes.py); this shows that equal work takes equal time.
"""

from __future__ import annotations

import argparse
import bisect
import math
import random
import statistics
from time import perf_counter, process_time

import bcrypt
from werkzeug.security import generate_password_hash

from torii_dynamodb._rules.hashing import Verifier
from torii_dynamodb.hashes import Argon2, Bcrypt, ImportedHashes, Pbkdf2, Scrypt, convert
from torii_dynamodb.policies import Argon2Hasher

HASHER = ImportedHashes(
    [
        Bcrypt(max_cost=11),
        Pbkdf2("sha256", max_iterations=600_000),
        Scrypt(n=32768, r=8, p=1),
        Argon2(time_cost=2, memory_cost=102_400, parallelism=8),
    ]
)


def stored_hashes() -> dict[str, str | None]:
    """Return what may be stored for an address."""
    argon2 = Argon2Hasher(time_cost=2, memory_cost=102_400, parallelism=8)
    return {
        "nobody": None,
        "argon2id, native": Argon2Hasher().hash("x"),
        "argon2id, Django's": argon2.hash("x"),
        **{f"bcrypt {cost}": bcrypt.hashpw(b"x", bcrypt.gensalt(cost)).decode() for cost in (4, 10, 11)},
        **{
            f"PBKDF2 {count:,}": convert(generate_password_hash("x", f"pbkdf2:sha256:{count}"))
            for count in (1_000, 260_000, 600_000)
        },
        "scrypt, Werkzeug's": convert(generate_password_hash("x", "scrypt:32768:8:1")),
        "not declared": "$2b$12$" + "." * 53,
        "unknown": "$unknown$" + "x" * 40,
    }


def kolmogorov_smirnov(first: list[float], second: list[float]) -> tuple[float, float]:
    """Return the statistic D and its asymptotic p-value (Numerical Recipes, section 14.3.3)."""
    first, second = sorted(first), sorted(second)
    distance = max(
        abs(bisect.bisect_right(first, at) / len(first) - bisect.bisect_right(second, at) / len(second))
        for at in first + second
    )
    size = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    scaled = (size + 0.12 + 0.11 / size) * distance
    if scaled < 0.2:  # the series converges to 1 too slowly
        return distance, 1.0
    p = 2 * sum((-1) ** (term - 1) * math.exp(-2 * (term * scaled) ** 2) for term in range(1, 101))
    return distance, min(max(p, 0.0), 1.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    verifier, stored = Verifier(HASHER), stored_hashes()
    passed: dict[str, list[float]] = {name: [] for name in stored}
    used: dict[str, list[float]] = {name: [] for name in stored}
    for name in stored:  # once without measuring: decoys, imports, log lines
        verifier.verify(stored[name], "wrong password")
    for _ in range(rounds):
        for name in random.sample(list(stored), len(stored)):
            began, cpu = perf_counter(), process_time()
            assert not verifier.verify(stored[name], "wrong password")
            passed[name].append(perf_counter() - began)
            used[name].append(process_time() - cpu)
    print(f"{rounds} rounds; milliseconds")
    print(f"{'stored':<20} {'median':>8} {'mean':>8} {'CPU med.':>8} {'mean':>8} {'D':>6} {'p':>6}")
    for name in stored:
        distance, p = kolmogorov_smirnov(used["nobody"], used[name])
        averages = (statistics.median, statistics.fmean)
        figures = [average(taken) for taken in (passed[name], used[name]) for average in averages]
        print(f"{name:<20} " + " ".join(f"{1000 * one:8.2f}" for one in figures) + f" {distance:6.3f} {p:6.3f}")


if __name__ == "__main__":
    main()
