"""torii-dynamodb: ``async`` or ``sync``, ``merged`` or ``alone``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from common import IP_ADDRESS, NAME, PASSWORD, PASSWORD_HASH, REGION, USER_AGENT, verify
from worker import Contestant, main

ASYNC = sys.argv[1] == "async"
MERGED = sys.argv[2] == "merged"

from torii_dynamodb import Browser, Credentials, DynamoDbConfig, LockoutPolicy, NewOAuthAccount, NewUser  # noqa: E402

if ASYNC:
    from torii_dynamodb import AsyncDynamoDbStorage as Storage
    from torii_dynamodb import AsyncTorii as Torii
else:
    from torii_dynamodb import DynamoDbStorage as Storage
    from torii_dynamodb import Torii

from torii_dynamodb._core import sessions  # noqa: E402
from torii_dynamodb.models import NewSession  # noqa: E402

BROWSER = Browser(user_agent=USER_AGENT, ip_address=IP_ADDRESS)


class Hasher:
    """Replaces argon2, whose cost is the same for all and is left out."""

    def hash(self, password):
        return PASSWORD_HASH

    def verify(self, password_hash, password):
        return verify(password_hash, password)

    def needs_rehash(self, password_hash):
        return False


class Ours(Contestant):
    """The calls are the same in both APIs; the asynchronous ones return awaitables."""

    asynchronous = ASYNC
    flows = (
        "register",
        "sign_in",
        "sign_in_lockout",
        "user_by_email",
        "user_by_email_eventual",
        "check",
        "sign_out",
        "sign_out_everywhere_10",
        "sign_out_everywhere_returns",
        "link_oauth",
        "delete_user",
    )

    def open(self, endpoint, prefix):
        shared = {
            "region": REGION,
            "endpoint_url": endpoint,
            "table_prefix": prefix,
            "create_tables": False,
            "credentials": Credentials(access_key_id="a", secret_access_key="b"),
            "merge_reads": MERGED,
        }
        # Deletes the rows of ended sessions within the call, so that all the work is counted.
        inline = DynamoDbConfig(**shared, session_cleanup="inline")
        returns = DynamoDbConfig(**shared, session_cleanup="off")
        if not ASYNC:
            self._use(Storage().initialize(inline), Storage().initialize(returns))
            return None

        async def opened():
            self._use(await Storage().initialize(inline), await Storage().initialize(returns))

        return opened()

    def _use(self, storage, returning):
        self.storage, self.returning = storage, returning
        self.table = storage.config.table_name("sessions")
        open_policy = LockoutPolicy(enabled=False)
        self.password = Torii(storage, hasher=Hasher(), lockout=open_policy).password
        self.guarded = Torii(storage, hasher=Hasher()).password
        self.check = storage.get_signed_in
        self.user_by_email = storage.get_user_by_email
        self.sign_out = storage.delete_session

    def close(self):
        if not ASYNC:
            self.storage.close()
            self.returning.close()
            return None

        async def closed():
            await self.storage.close()
            await self.returning.close()

        return closed()

    def session_rows(self, user, count):
        now = datetime.now(UTC)
        new = NewSession(
            user_id=user.id, expires_at=now + timedelta(days=14), user_agent=USER_AGENT, ip_address=IP_ADDRESS
        )
        made = [sessions.bind(new, user.session_epoch, now, self.storage.config.random) for _ in range(count)]
        return [session.token for session in made], [(self.table, sessions.to_item(session)) for session in made]

    def register(self, email):
        return self.storage.create_user(NewUser(email=email, name=NAME), password_hash=PASSWORD_HASH)

    def user_by_email_eventual(self, email):
        return self.storage.get_user_by_email(email, consistent=False)

    def sign_in(self, email):
        return self.password.authenticate(email, PASSWORD, browser=BROWSER)

    def sign_in_lockout(self, email):
        return self.guarded.authenticate(email, PASSWORD, browser=BROWSER)

    def sign_out_everywhere(self, user):
        return self.storage.delete_sessions_for_user(user.id)

    def sign_out_everywhere_returns(self, user):
        return self.returning.delete_sessions_for_user(user.id)

    def link_oauth(self, user, subject):
        return self.storage.link_oauth_account(user.id, NewOAuthAccount(provider="github", subject=subject))

    def delete_user(self, user):
        return self.storage.delete_user(user.id)


if __name__ == "__main__":
    main(Ours())
