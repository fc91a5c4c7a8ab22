"""Password hashes of other systems: converting them for an import, and verifying them until each user has signed in.

::

    password_hash = convert("pbkdf2_sha256$870000$...")     # what an import stores
    torii = Torii(storage, hasher=ImportedHashes([Pbkdf2("sha256", max_iterations=870_000)]))
"""

from __future__ import annotations

from torii_dynamodb._rules.foreign_hashes import (
    Argon2,
    Bcrypt,
    FirebaseScrypt,
    Kind,
    Pbkdf2,
    SaltedSha,
    Scrypt,
    convert,
    from_firebase,
    from_keycloak,
    from_salted_sha,
    identify,
)
from torii_dynamodb._rules.imported_hashes import ImportedHashes, needed_for

__all__ = [
    "Argon2",
    "Bcrypt",
    "FirebaseScrypt",
    "ImportedHashes",
    "Kind",
    "Pbkdf2",
    "SaltedSha",
    "Scrypt",
    "convert",
    "from_firebase",
    "from_keycloak",
    "from_salted_sha",
    "identify",
    "needed_for",
]
