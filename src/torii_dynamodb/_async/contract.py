"""The storage contract: RFC 0002's interfaces, completed. One Protocol a domain.

Every clause has an id (``USER-3``), which the conformance kit's tests cite (``torii_dynamodb.testing.conformance``) and
``docs/contract.md`` lists. A storage of your own keeps the contract when the kit passes.

Throughout: a look-up that misses returns ``None``; a broken invariant raises; bad arguments raise
:class:`~torii_dynamodb.errors.ValidationError` before anything is read or written; ``consistent`` overrides the
configuration's ``consistent_reads`` for one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from torii_dynamodb.models import (
    EMAIL_VERIFICATION,
    UNSET,
    AttemptKind,
    AttemptResult,
    CeremonyKind,
    FailedAttempt,
    Listing,
    LockoutPolicy,
    LockoutStatus,
    Metadata,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    OAuthAccount,
    Page,
    Passkey,
    PasskeyChallenge,
    PasswordCredentials,
    PkceVerifier,
    Session,
    SignedIn,
    Token,
    Unset,
    User,
    VerifiedToken,
)

__all__ = [
    "AsyncBruteForceStorage",
    "AsyncEmailPasswordStorage",
    "AsyncOAuthStorage",
    "AsyncPasskeyStorage",
    "AsyncSessionStorage",
    "AsyncStorage",
    "AsyncTokenStorage",
    "AsyncUserStorage",
]


class AsyncUserStorage(Protocol):
    """Users. The user is the aggregate: it lists its identities, and lives and dies with them in one write."""

    async def create_user(self, new_user: NewUser, *, password_hash: str | None = None) -> User:
        """Create a user, with a password if a hash is given, in one atomic write.

        Returns:
            The user as stored.

        Raises:
            AlreadyExists: ``what="email"`` or ``what="user"``: another user holds the address or the id.

        Cost:
            One request: 4 write units, plus 1 for the index.

        Clauses:
            USER-1: However many callers race for one e-mail address, one user is created; the others get AlreadyExists.
            USER-2: Addresses that normalise alike are one address; the user keeps it as given beside it.
            USER-3: The user, the claim on the address and the password hash are written together or not at all.
            USER-4: A repeated call with the same explicit id and address returns the user that exists.
            USER-5: An id that another user holds raises AlreadyExists(what="user") and claims no address.
            USER-6: Metadata comes back equal and of the same types.
        """
        ...

    async def get_user(self, user_id: str, *, consistent: bool | None = None) -> User | None:
        """Read a user by id.

        Cost:
            One request: 1 read unit, or 0.5 if eventually consistent.

        Clauses:
            USER-7: Returns the user, or None where there is none; a consistent read sees every write that returned.
        """
        ...

    async def get_user_by_email(self, email: str, *, consistent: bool | None = None) -> User | None:
        """Read the user who holds an address, however it is written.

        Cost:
            Two requests, one after the other: 2 read units. Eventually consistent, one to the index: 0.5 read units.

        Clauses:
            USER-8: Finds the user by any spelling that normalises alike; None where nobody holds the address.
        """
        ...

    async def get_or_create_user_by_email(self, email: str, *, name: str | None = None) -> tuple[User, bool]:
        """The user who holds the address, created if there is none.

        Returns:
            The user, and whether this call created it.

        Cost:
            Two requests, one after the other.

        Clauses:
            USER-9: However many callers race, all get one user, and exactly one of them is told that it created it.
        """
        ...

    async def update_user(
        self,
        user: User,
        *,
        email: str | Unset = UNSET,
        name: str | None | Unset = UNSET,
        metadata: Metadata | Unset = UNSET,
    ) -> User:
        """Change what is given and nothing else, if the user is still at the version read.

        A new address moves the identity, with the password, in the same write; ends links that prove the old one
        (one-time tokens); and is not verified. The same address written otherwise changes only how it is shown.

        Args:
            user: The user as read; its id and version are the condition.
            email: The new address.
            name: The new name; ``None`` takes it away.
            metadata: The new metadata, whole.

        Returns:
            The user as stored now, its version one higher.

        Raises:
            VersionConflict: The user was changed since it was read. Nothing was written.
            ValidationError: Nothing to change is named.
            NotFound: There is no such user (any more).
            AlreadyExists: ``what="email"``: another user holds the new address.

        Cost:
            One request: 2 write units, plus 1 for the index. Two requests if the address changes.

        Clauses:
            USER-10: Of several updates of one version, one succeeds, the others raise VersionConflict and lose nothing.
            USER-11: Only the given fields change; updated_at moves.
            USER-12: A new address is claimed and the old one freed at once; the password goes along, and
                email_verified_at is cleared.
            USER-13: A taken address raises AlreadyExists and changes nothing.
            USER-14: A new spelling of the same address keeps the identity and the verification.
            USER-15: Updating a user that is gone raises NotFound and creates nothing.
        """
        ...

    async def mark_email_verified(
        self, user_id: str, *, email: str, remove_unproven: bool = False, session_epoch: int | None = None
    ) -> User | None:
        """Record that the person proved to own the address.

        Args:
            user_id: Whose address it is.
            email: The address that was proved: what the one-time token or the provider names.
            remove_unproven: At the first proof, also remove what somebody may have set before it who did not own the
                address: password, OAuth accounts, passkeys, sessions (pre-hijacking).
            session_epoch: The user's ``session_epoch`` when the proof was given; left out, any.

        Returns:
            The user as stored now; ``None`` when there is no such user or it holds another address by now.

        Raises:
            Revoked: The user is at another epoch than ``session_epoch``, and was not verified before.

        Cost:
            Two requests, one after the other; one if it was verified before.

        Clauses:
            USER-16: Verifies the named address only; a user whose address changed since stays unverified.
            USER-17: A second proof changes nothing.
            USER-18: With remove_unproven, the first proof removes password, other identities and sessions in one
                write; a later proof removes nothing.
            USER-25: With session_epoch, a user whose sessions were all ended since is not verified by it and nothing is
                removed, decided in the write itself.
        """
        ...

    async def delete_user(self, user_id: str, *, session_epoch: int | None = None) -> bool:
        """Delete a user and all its identities in one atomic write; all its sessions and tokens are dead at once.

        Session rows go afterwards (``session_cleanup``); calling again for a deleted user resumes that.

        Args:
            user_id: Who.
            session_epoch: The user's ``session_epoch`` when the deletion was begun; left out, any.

        Returns:
            Whether there was a user to delete.

        Raises:
            Revoked: The user is at another epoch than ``session_epoch``: all sessions were ended since.

        Cost:
            Two requests, one after the other: 1 read unit; 2 write units, 2 for each identity, and 1 for the index.

        Clauses:
            USER-19: Nothing of the user is left: neither user nor identity nor valid session nor valid token.
            USER-20: The address, OAuth accounts and passkeys can be claimed again at once.
            USER-21: Deleting a user that does not exist returns False.
            USER-22: A user created anew under the same id gets none of the old sessions or tokens.
            USER-26: With session_epoch, a deletion that was begun before all sessions were ended is refused, decided in
                the write itself.
        """
        ...

    async def batch_get_users(self, user_ids: Sequence[str], *, consistent: bool | None = None) -> list[User | None]:
        """Read many users.

        Cost:
            One request for each 100 different ids, at the same time: 1 read unit per id.

        Clauses:
            USER-23: The answer has the order and length of the question; None where missing; duplicates allowed; any
                number of ids.
        """
        ...

    async def list_users(self, *, limit: int = 100, cursor: str | None = None) -> Page[User]:
        """Read users page by page, in no particular order: an administrator's view, which reads the whole table.

        Args:
            limit: At most so many a page, 1 to 1,000.
            cursor: The page before's ``next_cursor``.

        Returns:
            A page. A stored user that cannot be read stands in its ``corrupt``, and does not take the others away.

        Cost:
            One request per page. A page also ends at 1 MB.

        Clauses:
            USER-24: Following next_cursor to the end yields each user that existed throughout exactly once.
        """
        ...


class AsyncSessionStorage(Protocol):
    """Sessions. Valid means: it exists, has not expired, its user exists, and its epoch is the user's."""

    async def create_session(self, new_session: NewSession, *, user: User | None = None) -> Session:
        """Make a session.

        Args:
            new_session: What it is to hold.
            user: The user as read by whatever authenticated it. Give it wherever you have it: the session is then
                bound to that moment (a password changed since ends it), and a read is saved.

        Returns:
            The session with its token, the only time that the token is seen.

        Raises:
            NotFound: There is no such user (only told when ``user`` is not given).

        Cost:
            One request if ``user`` is given, otherwise two: 1 write unit, plus 1 for the index.

        Clauses:
            SESSION-1: The token returned passes get_session until the session ends; nothing stored tells the token.
            SESSION-2: A session made from a user read before the epoch moved on never passes a check.
            SESSION-3: A session for a user that does not exist raises NotFound, or never passes a check.
        """
        ...

    async def get_session(self, token: str, *, consistent: bool | None = None) -> Session | None:
        """Check a session token, without the user: :meth:`get_signed_in` returns both at the same cost.

        Cost:
            One request, shared with other checks made at the same time: 2 read units, or 1 if eventually consistent.
            None for a malformed token.

        Clauses:
            SESSION-18: Returns the session that :meth:`get_signed_in` returns, or None where that does.
        """
        ...

    async def get_signed_in(self, token: str, *, consistent: bool | None = None) -> SignedIn | None:
        """Check a session's token and read its user, in one request.

        Returns:
            User and session, or ``None`` for a token that is malformed, forged, unknown, expired or revoked.

        Cost:
            One request, shared with other checks made at the same time: 2 read units, or 1 if eventually consistent.
            None for a malformed token.

        Clauses:
            SESSION-4: A valid token yields its session and its user.
            SESSION-5: An expired session is refused from expires_at on, whether or not its row still exists.
            SESSION-6: A malformed or forged token, or one that names another user, is refused without an exception.
            SESSION-7: Sessions of a deleted user are refused.
        """
        ...

    async def get_signed_in_by_id(
        self, user_id: str, session_id: str, *, consistent: bool | None = None
    ) -> SignedIn | None:
        """Check a session that something else vouches for, such as an access token (JWT), in one request.

        A session's id is no secret: it shows whether the session still stands, never who asks.

        Returns:
            User and session (without its token), or ``None`` when there is no such session of this user, or it has
            expired or was revoked.

        Cost:
            One request, shared with other checks made at the same time: 2 read units, or 1 if eventually consistent.

        Clauses:
            SESSION-16: Says of a session what :meth:`get_signed_in` says of its token, and tells no token.
            SESSION-17: The id of another user's session is refused.
        """
        ...

    async def list_sessions_for_user(self, user_id: str) -> Listing[Session]:
        """The user's valid sessions, newest first ("your devices"). The list may lag behind by DynamoDB's index lag.

        Cost:
            One request for the user and one per page of the index, at the same time.

        Clauses:
            SESSION-8: Lists every valid session of the user, however many, without tokens; no ended one's epoch passes.
        """
        ...

    async def refresh_session(self, token: str, *, expires_at: datetime) -> Session | None:
        """Extend a session. It never shortens one, and proves nothing: a revoked one stays refused. Check first.

        Returns:
            The session as stored now; ``None`` when there is no such session or it has expired.

        Cost:
            One request: 1 write unit, plus 2 for the index, whose sort key changes.

        Clauses:
            SESSION-9: Moves expires_at forward, never back, and never revives an expired or deleted session.
        """
        ...

    async def delete_session(self, token: str) -> None:
        """Sign out: end this session.

        Cost:
            One request: 1 write unit, plus 1 for the index. None for a malformed token.

        Clauses:
            SESSION-10: The session is refused from then on; others are not touched; an unknown token is no error.
        """
        ...

    async def delete_session_by_id(self, user_id: str, session_id: str) -> bool:
        """End one of the user's sessions, named by its id ("sign out that device").

        Returns:
            Whether there was such a session of this user.

        Cost:
            One request: 2 write units, plus 1 for the index.

        Clauses:
            SESSION-11: Ends it only when it is the named user's.
        """
        ...

    async def delete_sessions_for_user(self, user_id: str) -> int | None:
        """Sign out everywhere: end all the user's sessions, in one write, however many there are.

        Returns:
            The new epoch, or ``None`` when there is no such user.

        Cost:
            One request: 1 write unit, plus 1 for the index. Rows are removed afterwards (``session_cleanup``).

        Clauses:
            SESSION-12: When it has returned, no session made before it passes a check; one made after it does.
            SESSION-13: A user that does not exist is not created.
            SESSION-14: Removing the rows of ended sessions never touches one made since.
        """
        ...

    async def cleanup_expired_sessions(self) -> int:
        """Remove rows of expired sessions where the store does not do so by itself.

        Returns:
            How many rows were removed; always 0 on DynamoDB, whose TTL does it (RFC 0008).

        Cost:
            None.

        Clauses:
            SESSION-15: Never removes a session that has not expired.
        """
        ...


class AsyncEmailPasswordStorage(Protocol):
    """Password hashes. They live on the e-mail identity, because a sign-in reads that first."""

    async def set_password_hash(
        self,
        user_id: str,
        password_hash: str,
        *,
        expected_version: str | None | Unset = UNSET,
        user: User | None = None,
        session_epoch: int | None = None,
    ) -> User:
        """Set or replace the password; ends all sessions in the same write.

        Args:
            user_id: Whose it is.
            password_hash: As the hasher wrote it.
            expected_version: The ``password_version`` that the caller verified (``None``: that there is no password).
                Left out, the write wins over any other.
            user: The user as read, where the caller has it (saves a read; a stale one is read again).
            session_epoch: The user's ``session_epoch`` when the change was begun; left out, any.

        Returns:
            The user as stored now: what a session made next should be bound to.

        Raises:
            NotFound: There is no such user.
            Revoked: The user is at another epoch than ``session_epoch``: all sessions were ended since.
            VersionConflict: The password or the address changed since.

        Cost:
            One request if ``user`` is given, otherwise two: 4 write units, plus 1 for the index.

        Clauses:
            PASSWORD-1: When it has returned, the new hash is the only one, and no session made before it passes.
            PASSWORD-2: With expected_version, of two changes of one password, one raises VersionConflict.
            PASSWORD-3: A user that does not exist raises NotFound and nothing is created.
            PASSWORD-11: With session_epoch, a change that was begun before all sessions were ended is refused, decided
                in the write itself.
        """
        ...

    async def rehash_password(self, user_id: str, *, email: str, old_hash: str, new_hash: str) -> bool:
        """Replace the hash by a stronger one of the same password. Ends nothing.

        Returns:
            Whether it was replaced; ``False`` when ``old_hash`` is not the stored one any more.

        Cost:
            One request: 2 write units.

        Clauses:
            PASSWORD-4: Never overwrites a hash other than old_hash.
        """
        ...

    async def get_password_hash(self, user_id: str) -> str | None:
        """The user's hash; ``None`` without a user or a password.

        Cost:
            Two requests, one after the other: 2 read units.

        Clauses:
            PASSWORD-5: Returns the current hash, or None.
        """
        ...

    async def get_credentials_by_email(self, email: str) -> PasswordCredentials | None:
        """What a sign-in needs, by address, in one strongly consistent read; ``None`` where nobody holds it.

        Cost:
            One request: 1 read unit.

        Clauses:
            PASSWORD-6: Returns the holder's id, hash and version; a user without a password has both None.
        """
        ...

    async def remove_password_hash(
        self, user_id: str, *, allow_verified_email: bool = False, session_epoch: int | None = None
    ) -> bool:
        """Take the password away; ends all sessions in the same write.

        Args:
            user_id: Whose it is.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).
            session_epoch: The user's ``session_epoch`` when the removal was begun; left out, any.

        Returns:
            Whether there was one.

        Raises:
            NotFound: There is no such user.
            LastSignInMethod: Nothing else is left to sign in with.
            Revoked: The user is at another epoch than ``session_epoch``: all sessions were ended since.

        Cost:
            Two requests, one after the other: 1 read unit; 4 write units, plus 1 for the index.

        Clauses:
            PASSWORD-7: Refused when it is the last way to sign in, decided in the write itself.
            PASSWORD-8: When it has returned, no hash is stored and no session made before it passes.
            PASSWORD-17: With session_epoch, a removal that was begun before all sessions were ended is refused, decided
                in the write itself.
        """
        ...

    async def complete_password_reset(self, token: str, password_hash: str) -> User | None:
        """Use up a password-reset token and set the password, in one atomic write; ends all sessions and tokens.

        Proves the address too: it is verified by this, and a first proof removes OAuth accounts and passkeys that were
        set before it.

        Returns:
            The user as stored now; ``None`` when the token does not hold.

        Cost:
            Two requests, one after the other. None for a malformed token.

        Clauses:
            PASSWORD-9: Of concurrent completions with one token, one wins; token and password change together.
            PASSWORD-10: A token whose user changed address, password or sessions epoch since is refused.
        """
        ...

    async def complete_email_proof(
        self,
        token: str,
        *,
        purpose: str = EMAIL_VERIFICATION,
        new_email: str | None = None,
        keep: bool = False,
        password_hash: str | None = None,
    ) -> User | None:
        """Use up a token that proves an address and take the address as proved, in one atomic write.

        The first proof of an address removes what was set up before it: whoever set it up need not own the address.
        Password, OAuth accounts and passkeys go, sessions and tokens are dead.

        Args:
            token: As it was mailed to the address.
            purpose: What it was issued for.
            new_email: The address to move to, where the token was mailed to that one; ``None``: the user's own.
            keep: Keep what was set up before: the proof comes from whoever set it up.
            password_hash: A new password, set in the same write. Not with ``keep``.

        Returns:
            The user as stored now; ``None`` when the token does not hold, or when a password is given though the
            address was proved before.

        Raises:
            AlreadyExists: ``what="email"``: another user holds the new address. The token is not used up.

        Cost:
            Two requests, one after the other; three if what was set up moves to a new address. None for a malformed
            token.

        Clauses:
            PASSWORD-12: Of concurrent completions with one token, one wins; all is written with the token's use or
                nothing.
            PASSWORD-13: The first proof removes what was set up before it, unless keep; a later one removes nothing.
            PASSWORD-14: A token whose user changed address, password or sessions epoch since is refused.
            PASSWORD-15: With new_email, the new address is claimed and the old one freed at once, and it is verified;
                what is kept moves with it.
            PASSWORD-16: With password_hash, it is the only password afterwards; nothing is set on an address that was
                proved before.
        """
        ...


class AsyncOAuthStorage(Protocol):
    """Accounts at OAuth and OpenID Connect providers, and PKCE verifiers."""

    async def create_oauth_account(self, new_user: NewUser, account: NewOAuthAccount) -> tuple[User, OAuthAccount]:
        """Create a user who signs in through a provider: user, address and account in one atomic write.

        Raises:
            AlreadyExists: ``what`` tells which is taken: ``"oauth_account"``, ``"email"`` or ``"user"``.

        Cost:
            One request: 6 write units, plus 1 for the index.

        Clauses:
            OAUTH-1: User, address and account are written together or not at all.
        """
        ...

    async def link_oauth_account(
        self, user_id: str, account: NewOAuthAccount, *, session_epoch: int | None = None, joining: bool = False
    ) -> OAuthAccount:
        """Link an account to a user. Linking what this user holds already returns it as stored.

        Args:
            user_id: Who is to hold it.
            account: The account.
            session_epoch: The user's ``session_epoch`` when linking was begun: ending all sessions, a password change
                and a lock move it, so that nothing begun before them completes. Left out, any.
            joining: Whether it is linked only because its address is the user's, without the user's asking. Else the
                user asked for it, and the provider is no longer one that they disconnected.

        Raises:
            AlreadyExists: ``what="oauth_account"``: another user holds it.
            NotFound: There is no such user.
            Revoked: The user is at another epoch than ``session_epoch``.
            ProviderDisconnected: With ``joining``, the user disconnected the provider.
            TooManyIdentities: The user holds 90 identities.

        Cost:
            One request: 4 write units, plus 1 for the index.

        Clauses:
            OAUTH-2: However many users race for one account, one gets it.
            OAUTH-3: Linking again is no error and changes nothing.
            OAUTH-4: A user that does not exist gets nothing linked.
            OAUTH-5: The 91st identity is refused, decided in the write itself.
            OAUTH-15: With session_epoch, nothing is linked once all sessions were ended since, decided in the write
                itself; what is linked already is told as linked.
        """
        ...

    async def get_oauth_account_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> OAuthAccount | None:
        """The linked account; ``None`` where nobody linked it.

        Cost:
            One request: 1 read unit, or 0.5 if eventually consistent.

        Clauses:
            OAUTH-6: Returns the account with profile and tokens as stored.
        """
        ...

    async def get_user_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> User | None:
        """The user who linked the account; ``None`` where nobody did.

        Cost:
            Two requests, one after the other: 2 read units, or 1 if eventually consistent.

        Clauses:
            OAUTH-7: Returns the holder, and nobody once it is unlinked or the user is deleted.
        """
        ...

    async def list_oauth_accounts_for_user(self, user_id: str) -> Listing[OAuthAccount]:
        """The user's linked accounts, oldest first; empty without a user. Strongly consistent.

        Cost:
            Two requests, one after the other; one if there are none.

        Clauses:
            OAUTH-8: Lists exactly the linked accounts.
        """
        ...

    async def update_oauth_account(
        self,
        user_id: str,
        provider: str,
        subject: str,
        *,
        email: str | None | Unset = UNSET,
        profile: Metadata | Unset = UNSET,
        tokens: Metadata | Unset = UNSET,
        expected_tokens: Metadata | Unset = UNSET,
    ) -> OAuthAccount | None:
        """Keep what the provider tells now.

        Args:
            user_id: The holder.
            provider: The provider.
            subject: The provider's id for the person.
            email: The address, as the provider tells it.
            profile: What the provider tells of the person.
            tokens: The provider's tokens.
            expected_tokens: Only if the tokens are these: of several hosts that each read the same, one writes.

        Returns:
            The account as stored now; ``None`` when this user does not hold it.

        Raises:
            VersionConflict: The tokens are others than expected. Nothing was written.

        Cost:
            Two requests, one after the other: 1 read unit, 2 write units.

        Clauses:
            OAUTH-9: Changes only what is given, and only for the holder.
            OAUTH-17: With expected_tokens, of concurrent changes that expect the same, one wins.
        """
        ...

    async def unlink_oauth_account(
        self,
        user_id: str,
        provider: str,
        subject: str,
        *,
        allow_verified_email: bool = False,
        session_epoch: int | None = None,
    ) -> bool:
        """Unlink an account. The user's item remembers that they disconnected the provider.

        Args:
            user_id: The holder.
            provider: The provider.
            subject: The provider's id for the person.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).
            session_epoch: The user's ``session_epoch`` when the removal was begun; left out, any.

        Returns:
            Whether this user held it.

        Raises:
            LastSignInMethod: Nothing else is left to sign in with.
            Revoked: The user is at another epoch than ``session_epoch``: all sessions were ended since.

        Cost:
            One request: 4 write units, plus 1 for the index.

        Clauses:
            OAUTH-10: Refused when it is the last way to sign in, decided in the write itself: of two racing removals of
                the last two, one is refused.
            OAUTH-11: Only the holder's is removed.
            OAUTH-18: With session_epoch, nothing is removed once all sessions were ended since, decided in the write
                itself.
            OAUTH-16: After it, an account of the provider is not linked with joining, decided in the write itself,
                until one was linked without, or the first proof of the address removed what was set up.
        """
        ...

    async def store_pkce_verifier(
        self, state: str, verifier: str, *, expires_at: datetime, metadata: Metadata | None = None
    ) -> None:
        """Keep a verifier under the state (16 to 512 characters, unguessable) until the person comes back.

        Raises:
            AlreadyExists: ``what="state"``: something is stored under this state and has not expired.

        Cost:
            One request: 1 write unit.

        Clauses:
            OAUTH-12: Stored so that neither state nor verifier nor metadata can be read from the table.
        """
        ...

    async def get_pkce_verifier(self, state: str) -> PkceVerifier | None:
        """The verifier, left in place; ``None`` when unknown, used or expired.

        Cost:
            One request: 1 read unit.

        Clauses:
            OAUTH-13: Returns it until it expires or is used.
        """
        ...

    async def consume_pkce_verifier(self, state: str) -> PkceVerifier | None:
        """The verifier, used up; ``None`` when unknown, used or expired.

        Cost:
            One request: 1 write unit.

        Clauses:
            OAUTH-14: Of concurrent callers, one gets it.
        """
        ...


class AsyncPasskeyStorage(Protocol):
    """Passkeys (WebAuthn credentials) and challenges."""

    async def add_passkey(self, new_passkey: NewPasskey, *, session_epoch: int | None = None) -> Passkey:
        """Add a passkey to a user. Adding what this user holds already returns it as stored.

        Args:
            new_passkey: The passkey.
            session_epoch: The user's ``session_epoch`` when the registration was begun; left out, any.

        Raises:
            AlreadyExists: ``what="passkey"``: another user holds the credential id.
            NotFound: There is no such user.
            Revoked: The user is at another epoch than ``session_epoch``: all sessions were ended since.
            TooManyIdentities: The user holds 90 identities.

        Cost:
            One request: 4 write units, plus 1 for the index.

        Clauses:
            PASSKEY-1: However many users race for one credential id, one gets it.
            PASSKEY-2: A user that does not exist gets none; the 91st identity is refused.
            PASSKEY-11: With session_epoch, no passkey is added once all sessions were ended since, decided in the
                write itself; one that was added already is told as added.
        """
        ...

    async def get_passkey(self, credential_id: bytes, *, consistent: bool | None = None) -> Passkey | None:
        """The passkey; ``None`` where nobody holds it.

        Cost:
            One request: 1 read unit, or 0.5 if eventually consistent.

        Clauses:
            PASSKEY-3: Returns it as stored.
        """
        ...

    async def list_passkeys_for_user(self, user_id: str) -> Listing[Passkey]:
        """The user's passkeys, oldest first; empty without a user. Strongly consistent.

        Cost:
            Two requests, one after the other; one if there are none.

        Clauses:
            PASSKEY-4: Lists exactly the user's passkeys.
        """
        ...

    async def rename_passkey(self, user_id: str, credential_id: bytes, name: str) -> Passkey | None:
        """Call it otherwise. ``None`` when this user does not hold it.

        Cost:
            Two requests, one after the other: 2 write units, 1 read unit.

        Clauses:
            PASSKEY-5: Changes the name only, and only for the holder.
        """
        ...

    async def update_passkey_use(
        self,
        user_id: str,
        credential_id: bytes,
        *,
        sign_count: int,
        allow_decrease: bool = False,
        backup_eligible: bool | None = None,
        backed_up: bool | None = None,
    ) -> Passkey | None:
        """Record a sign-in: the new sign count, now as the last use, and what the authenticator says of backups.

        Args:
            user_id: Whose.
            credential_id: Which.
            sign_count: The authenticator's counter.
            allow_decrease: Whether the count need not go up.
            backup_eligible: Whether the passkey can be synchronised; ``None``: left as it is.
            backed_up: Whether it is at present; ``None``: left as it is.

        Returns:
            The passkey as stored now; ``None`` when this user does not hold it.

        Raises:
            ClonedAuthenticator: The count did not go up (both zero is allowed: such authenticators do not count), or
                eligibility for backup is another than it was, which no authenticator may do.

        Cost:
            Two requests, one after the other: 2 write units, 1 read unit.

        Clauses:
            PASSKEY-6: Refuses a count that does not go up, decided in the write itself, unless allow_decrease.
            PASSKEY-12: Records the backup state in the same write. Eligibility, once recorded, never changes: another
                is refused in the write itself, whatever the count and allow_decrease.
        """
        ...

    async def delete_passkey(
        self,
        user_id: str,
        credential_id: bytes,
        *,
        allow_verified_email: bool = False,
        session_epoch: int | None = None,
    ) -> bool:
        """Remove a passkey; the rules of :meth:`AsyncOAuthStorage.unlink_oauth_account`.

        Raises:
            LastSignInMethod: Nothing else is left to sign in with.
            Revoked: The user is at another epoch than ``session_epoch``: all sessions were ended since.

        Cost:
            One request: 4 write units, plus 1 for the index.

        Clauses:
            PASSKEY-7: Refused when it is the last way to sign in; only the holder's is removed.
            PASSKEY-13: With session_epoch, nothing is removed once all sessions were ended since, decided in the write
                itself.
        """
        ...

    async def delete_passkeys_for_user(self, user_id: str, *, allow_verified_email: bool = False) -> int:
        """Remove all the user's passkeys in one atomic write.

        Returns:
            How many there were.

        Raises:
            LastSignInMethod: Nothing else is left to sign in with.

        Cost:
            Two requests, one after the other: 1 read unit; 2 write units, 2 for each passkey, and 1 for the index.

        Clauses:
            PASSKEY-8: All go or none; refused when nothing else is left to sign in with.
        """
        ...

    async def store_passkey_challenge(self, challenge: NewPasskeyChallenge) -> None:
        """Remember a challenge.

        Raises:
            AlreadyExists: ``what="challenge"``: this challenge is stored and has not expired.

        Cost:
            One request: 1 write unit.

        Clauses:
            PASSKEY-9: Stored as its hash.
        """
        ...

    async def consume_passkey_challenge(self, challenge: bytes, *, kind: CeremonyKind) -> PasskeyChallenge | None:
        """Use up a challenge; ``None`` when unknown, used, expired or of another kind.

        Cost:
            One request: 1 write unit.

        Clauses:
            PASSKEY-10: Of concurrent callers, one gets it; it passes for its own kind only.
        """
        ...


class AsyncTokenStorage(Protocol):
    """One-time tokens."""

    async def create_token(self, new_token: NewToken, *, user: User | None = None) -> Token:
        """Issue a token, bound to the user's address and sessions epoch of this moment.

        Args:
            new_token: What it is to be good for.
            user: The user as read, where the caller has it (saves a read).

        Returns:
            The token with its secret, the only time that it is seen.

        Raises:
            NotFound: There is no such user (only told when ``user`` is not given, or with ``revoke_earlier``).

        Cost:
            One request if ``user`` is given or the token is for nobody, otherwise two: 1 write unit. With
            ``revoke_earlier``, 4 write units, plus 1 for the index.

        Clauses:
            TOKEN-1: Has 256 random bits; nothing stored tells it.
            TOKEN-2: With revoke_earlier, the user's earlier tokens of the purpose are dead when it has returned.
        """
        ...

    async def verify_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        """Use up a token.

        Returns:
            The token and its user; ``None`` when malformed, unknown, used, expired, of another purpose, or when what it
            was bound to is not so any more.

        Raises:
            Unavailable: It is unknown whether the token was used up: issue another.

        Cost:
            One request: 1 write unit. For a user's token a second one at the same time: 1 read unit.

        Clauses:
            TOKEN-3: Of concurrent callers, one gets it.
            TOKEN-4: It passes for its own purpose only, and a try for another does not use it up.
            TOKEN-5: It is refused from expires_at on.
            TOKEN-6: It dies with the user's address, with the sessions epoch (password change, reset, sign-out
                everywhere) and with the user.
        """
        ...

    async def check_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        """What :meth:`verify_token` would return now, without using it up.

        Cost:
            One request: 1 read unit, or 2 for a user's token.

        Clauses:
            TOKEN-7: Changes nothing.
        """
        ...

    async def cleanup_expired_tokens(self) -> int:
        """As :meth:`AsyncSessionStorage.cleanup_expired_sessions`, for tokens, verifiers and challenges.

        Cost:
            None.

        Clauses:
            TOKEN-8: Never removes one that has not expired.
        """
        ...


class AsyncBruteForceStorage(Protocol):
    """Attempts, lockout and the audit of failures. Addresses without a user are treated alike."""

    async def acquire_login_attempt(self, email: str, *, policy: LockoutPolicy | None = None) -> AttemptResult:
        """Ask to try a password for an address, in one conditional write. Look at the password only if allowed.

        Args:
            email: The address, whether or not anybody holds it.
            policy: The limits; ``None`` for the defaults (5 in 15 minutes).

        Cost:
            One request: 1 write unit.

        Clauses:
            LOCKOUT-1: At most max_attempts are allowed in any window, however parallel they are asked for.
            LOCKOUT-2: A refusal tells how long until the next is taken.
            LOCKOUT-3: Addresses without a user are treated alike.
            LOCKOUT-4: With enabled=False every attempt is allowed and nothing is written.
        """
        ...

    async def acquire_attempt(
        self, kind: AttemptKind, value: str, *, purpose: str | None = None, policy: LockoutPolicy | None = None
    ) -> AttemptResult:
        """The same limit for anything else: an IP address (IPv6 by its /64 network), a mailbox, a device, a user.

        Args:
            kind: What is counted.
            value: Which one.
            purpose: What for, 1 to 32 of ``a-z 0-9 _ -``: what is used up for one purpose is there for the others.
                ``None`` counts apart from all of them.
            policy: The limits; ``None`` for the defaults (5 in 15 minutes).

        Cost:
            One request: 1 write unit.

        Clauses:
            LOCKOUT-5: Kinds, values and purposes do not share a limit.
        """
        ...

    async def record_failed_attempt(
        self,
        email: str,
        attempt_id: str,
        *,
        ip_address: str | None = None,
        user_agent: str | None = None,
        policy: LockoutPolicy | None = None,
    ) -> None:
        """Write the audit row of an attempt that was taken and failed.

        Cost:
            Three requests, one after the other: 2 read units, 1 write unit.

        Clauses:
            LOCKOUT-6: One row an attempt, with time, IP address and user agent.
        """
        ...

    async def get_lockout_status(self, email: str, *, policy: LockoutPolicy | None = None) -> LockoutStatus:
        """Where the address stands now. Changes nothing.

        Cost:
            One request: 1 read unit.

        Clauses:
            LOCKOUT-7: Tells what acquire_login_attempt would.
        """
        ...

    async def clear_attempts(self, email: str, *, attempt_id: str | None = None) -> None:
        """Forget the attempts (not the audit).

        Args:
            email: The address.
            attempt_id: The attempt that succeeded (empty: none was counted, nothing is forgotten). Given, nothing is
                forgotten if others were made since: theirs count.

        Cost:
            One request: 1 write unit, or 2 without ``attempt_id``.

        Clauses:
            LOCKOUT-8: After it, max_attempts are allowed again; with attempt_id, later attempts are kept.
        """
        ...

    async def list_failed_attempts(self, email: str, *, limit: int = 100) -> Listing[FailedAttempt]:
        """The audit: failed attempts within retention, newest first.

        Cost:
            One request per MB of rows.

        Clauses:
            LOCKOUT-9: Lists what was recorded and has not expired, newest first, at most limit.
        """
        ...

    async def cleanup_old_attempts(self, email: str, *, before: datetime) -> int:
        """Remove audit rows of an address older than a moment, unless its account is locked by an administrator.

        Returns:
            How many were removed.

        Cost:
            Two requests for the user, then one per MB of rows and one per 25 rows removed.

        Clauses:
            LOCKOUT-10: Removes older rows only, and none of a locked account.
        """
        ...

    async def set_locked_at(self, user_id: str, locked_at: datetime | None) -> User | None:
        """Lock an account as an administrator, or unlock it (``None``). Locking ends all its sessions.

        While locked, the account's audit rows do not expire.

        Returns:
            The user as stored now; ``None`` when there is no such user.

        Cost:
            Two requests for the user, then one per MB of audit rows and one per 25 rows.

        Clauses:
            LOCKOUT-11: Sets and clears the lock; locking ends the sessions made before.
            LOCKOUT-12: A locked account's audit is kept past its retention.
        """
        ...

    async def get_locked_at(self, user_id: str) -> datetime | None:
        """When the account was locked; ``None`` if it is not, or there is no such user.

        Cost:
            One request: 1 read unit.

        Clauses:
            LOCKOUT-13: Tells what set_locked_at set.
        """
        ...


class AsyncStorage(
    AsyncUserStorage,
    AsyncSessionStorage,
    AsyncEmailPasswordStorage,
    AsyncOAuthStorage,
    AsyncPasskeyStorage,
    AsyncTokenStorage,
    AsyncBruteForceStorage,
    Protocol,
):
    """The whole contract."""
