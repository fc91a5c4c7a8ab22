"""The storage contract: the interfaces of RFC 0002, completed, one Protocol per domain.

Every clause has an id (``USER-3``), which tests in ``torii_dynamodb.testing.conformance`` cite and ``docs/contract.md``
lists. A storage of your own keeps the contract if those tests pass.

These rules hold throughout: a lookup that finds nothing returns ``None``; a broken invariant raises; invalid arguments
raise :class:`~torii_dynamodb.errors.ValidationError` before anything is read or written; ``consistent`` overrides the
configuration's ``consistent_reads`` for one call. What a call costs is stated for DynamoDB.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from torii_dynamodb.models import EMAIL_VERIFICATION, UNSET

if TYPE_CHECKING:
    from torii_dynamodb.legacy import ImportedUser
    from torii_dynamodb.models import (
        AttemptKind,
        AttemptResult,
        CeremonyKind,
        Factor,
        FailedAttempt,
        Listing,
        LockoutPolicy,
        LockoutStatus,
        Metadata,
        NewFactor,
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
    "AsyncSecondFactorStorage",
    "AsyncSessionStorage",
    "AsyncStorage",
    "AsyncTokenStorage",
    "AsyncUserStorage",
]


class AsyncUserStorage(Protocol):
    """Users. A user's item lists the user's identities; both are created and deleted in the same write."""

    async def create_user(self, new_user: NewUser, *, password_hash: str | None = None) -> User:
        """Create a user, with a password if a hash is given, in one atomic write.

        Returns:
            The user as stored.

        Raises:
            AlreadyExists: ``what="email"`` or ``what="user"``: another user has the address or the id.

        Cost: 1 request, 4 write units, plus 1 for the index.

        Clauses:
            USER-1: However many callers race for one email address, one user is created; the others get AlreadyExists.
            USER-2: Addresses that normalise to the same text are one address; the user keeps it as given as well.
            USER-3: The user, the claim on the address and the password hash are written together or not at all.
            USER-4: A repeated call with the same explicit id and address returns the existing user.
            USER-5: An id that another user has raises AlreadyExists(what="user") and claims no address.
            USER-6: Metadata comes back equal and of the same types.
        """
        ...

    async def import_user(self, imported: ImportedUser) -> tuple[User, bool]:
        """Create a user of another system with everything that belongs to it, in one atomic write.

        Returns:
            The user as stored, and whether this call created it.

        Raises:
            AlreadyExists: ``what="email"``, ``"user"``, ``"oauth_account"`` or ``"passkey"``: another user has it, or
                the user has another address by now.
            TooManyIdentities: The user would have more accounts and passkeys than one can have.
            TooManyFactors: The user would have more authenticator apps than one can have.
            ItemTooLarge: The user, or all together, would be larger than DynamoDB accepts.

        Cost: 1 request, 2 write units for the user, its address and each account, passkey and factor, plus 1 for the
        index.

        Clauses:
            USER-27: The user, its address, password hash, accounts, passkeys and factors are created together or not at
                all, with the given times and the given lock; what create_user and the methods that add to a user refuse
                is refused.
            USER-28: However often and by however many callers a user is imported, one call creates it; the others
                return the user as stored and False, and change nothing, whatever has changed since.
            USER-29: An id, address, account or passkey that another user has raises AlreadyExists, and nothing is
                written.
        """
        ...

    async def get_user(self, user_id: str, *, consistent: bool | None = None) -> User | None:
        """Read a user by id.

        Cost: 1 request, 1 read unit (0.5 if eventually consistent).

        Clauses:
            USER-7: Returns the user, or None if there is none; a consistent read sees every write that has returned.
        """
        ...

    async def get_user_by_email(self, email: str, *, consistent: bool | None = None) -> User | None:
        """Read the user who has an address, in any spelling.

        Cost: 2 requests in sequence, 2 read units. If eventually consistent, 1 request to the index, 0.5 read units.

        Clauses:
            USER-8: Finds the user by any spelling that normalises to the same address; None if nobody has it.
        """
        ...

    async def get_or_create_user_by_email(self, email: str, *, name: str | None = None) -> tuple[User, bool]:
        """Return the user who has an address, creating one if there is none.

        Returns:
            The user, and whether this call created it.

        Cost: 2 requests in sequence.

        Clauses:
            USER-9: However many callers race, all get the same user, and exactly one gets True.
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
        """Change only what is given, if the user is still at the version that was read.

        A new address moves the claim, with the password, in the same write. It is unverified, and one-time tokens that
        prove the old address stop working. Another spelling of the same address only changes how it is shown.

        Args:
            user: The user as read; its id and version are the condition.
            email: The new address.
            name: The new name; ``None`` removes it.
            metadata: The new metadata, in full.

        Returns:
            The user as stored now, its version increased by one.

        Raises:
            VersionConflict: The user has changed since it was read. Nothing was written.
            ValidationError: Nothing to change was given.
            NotFound: The user does not exist, or no longer does.
            AlreadyExists: ``what="email"``: another user has the new address.

        Cost: 1 request, 2 write units, plus 1 for the index. 2 requests if the address changes.

        Clauses:
            USER-10: Of several updates of one version, one succeeds; the others raise VersionConflict and overwrite
                nothing.
            USER-11: Only the given fields and updated_at change.
            USER-12: A new address is claimed and the old one freed at once; the password moves with it, and
                email_verified_at is cleared.
            USER-13: A taken address raises AlreadyExists and changes nothing.
            USER-14: A new spelling of the same address keeps the identity and the verification.
            USER-15: Updating a deleted user raises NotFound and creates nothing.
        """
        ...

    async def mark_email_verified(
        self, user_id: str, *, email: str, remove_unproven: bool = False, session_epoch: int | None = None
    ) -> User | None:
        """Record that the person has proved that the address is theirs.

        Args:
            user_id: The user.
            email: The address that was proved, as named by the one-time token or the provider.
            remove_unproven: On the first proof, also remove what someone who did not own the address may have set up
                before it: password, OAuth accounts, passkeys and sessions (pre-hijacking).
            session_epoch: The user's ``session_epoch`` when the proof was given; ``None`` skips the check.

        Returns:
            The user as stored now; ``None`` if there is no such user or it now has another address.

        Raises:
            Revoked: All of the user's sessions have been ended since ``session_epoch``, and the address was not
                verified before.

        Cost: 2 requests in sequence; 1 if it was verified before.

        Clauses:
            USER-16: Verifies only the named address; a user whose address has changed since stays unverified.
            USER-17: A second proof changes nothing.
            USER-18: With remove_unproven, the first proof removes the password, other identities and sessions in one
                write; a later proof removes nothing.
            USER-25: With session_epoch, a user whose sessions have all been ended since is not verified and nothing is
                removed; the write itself decides.
        """
        ...

    async def delete_user(self, user_id: str, *, session_epoch: int | None = None) -> bool:
        """Delete a user and all its identities in one atomic write, which also ends all its sessions and tokens.

        Session rows are removed afterwards (``session_cleanup``); calling again for a deleted user resumes that.

        Args:
            user_id: The user.
            session_epoch: The user's ``session_epoch`` when the deletion began; ``None`` skips the check.

        Returns:
            Whether there was a user to delete.

        Raises:
            Revoked: All of the user's sessions have been ended since ``session_epoch``.

        Cost: 2 requests in sequence, 1 read unit, 2 write units, plus 2 for each identity and 1 for the index.

        Clauses:
            USER-19: Nothing of the user remains: no user, identity, valid session or valid token.
            USER-20: The address, OAuth accounts and passkeys can be claimed again at once.
            USER-21: Deleting a user that does not exist returns False.
            USER-22: A new user under the same id gets none of the old sessions or tokens.
            USER-26: With session_epoch, a deletion that began before all sessions were ended is refused; the write
                itself decides.
        """
        ...

    async def batch_get_users(self, user_ids: Sequence[str], *, consistent: bool | None = None) -> list[User | None]:
        """Read many users by id.

        Cost: 1 request for each 100 different ids, at the same time, 1 read unit per id.

        Clauses:
            USER-23: The result has the order and length of user_ids, with None for missing users; any number of ids,
                including duplicates, is allowed.
        """
        ...

    async def list_users(self, *, limit: int = 100, cursor: str | None = None) -> Page[User]:
        """Read users page by page, in no particular order. It reads the whole table: for administrators.

        Args:
            limit: The most users on a page, 1 to 1,000.
            cursor: The previous page's ``next_cursor``.

        Returns:
            A page. Stored users that cannot be read are in its ``corrupt``; the others are still returned.

        Cost: 1 request per page. A page also ends at 1 MB.

        Clauses:
            USER-24: Following next_cursor to the end yields each user that existed throughout exactly once.
        """
        ...


class AsyncSessionStorage(Protocol):
    """Sessions. One is valid if it exists and has not expired, its user exists, and its epoch is the user's."""

    async def create_session(self, new_session: NewSession, *, user: User | None = None) -> Session:
        """Create a session.

        Args:
            new_session: The session's fields.
            user: The user as read when they were authenticated. Give it whenever you have it: it saves a read, and the
                session is bound to that moment, so a password change since then ends it.

        Returns:
            The session with its token, which cannot be read again later.

        Raises:
            NotFound: There is no such user (raised only if ``user`` is not given).

        Cost: 1 request (2 without ``user``), 1 write unit, plus 1 for the index.

        Clauses:
            SESSION-1: The returned token passes get_session until the session ends, and cannot be derived from what is
                stored.
            SESSION-2: A session created from a user read before the epoch increased never passes a check.
            SESSION-3: A session for a user that does not exist raises NotFound, or never passes a check.
            SESSION-19: A check returns amr, authenticated_at and second_factor_at as they were given.
        """
        ...

    async def get_session(self, token: str, *, consistent: bool | None = None) -> Session | None:
        """Check a session token. :meth:`get_signed_in` returns the user too, at the same cost.

        Cost: as :meth:`get_signed_in`.

        Clauses:
            SESSION-18: Returns the session that :meth:`get_signed_in` returns, or None when it returns None.
        """
        ...

    async def get_signed_in(self, token: str, *, consistent: bool | None = None) -> SignedIn | None:
        """Check a session token and return its user and session, in one request.

        Returns:
            User and session, or ``None`` for a token that is malformed, forged, unknown, expired or revoked.

        With a cache (docs/cache.md), ``consistent=True`` asks DynamoDB and not the cache.

        Cost: 1 request, shared with other checks made at the same time, 2 read units (1 if eventually consistent). None
        for a malformed token, or if the cache has both.

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
        """Check a session by its id, in one request.

        A session id is not a secret: it shows whether the session is still valid, not who is asking. Something else
        must prove that, such as an access token (JWT).

        Returns:
            User and session (without its token), or ``None`` if this user has no such session, or it has expired or was
            revoked.

        Cost: 1 request, shared with other checks made at the same time, 2 read units (1 if eventually consistent).

        Clauses:
            SESSION-16: Returns for a session's id what :meth:`get_signed_in` returns for its token, but without the
                token.
            SESSION-17: The id of another user's session is refused.
        """
        ...

    async def list_sessions_for_user(self, user_id: str) -> Listing[Session]:
        """Return the user's valid sessions, newest first ("your devices").

        It reads an index, which may lag slightly behind the table.

        Cost: 1 request for the user and 1 per page of the index, at the same time.

        Clauses:
            SESSION-8: Lists every valid session of the user, however many, without tokens, and none that were ended.
        """
        ...

    async def refresh_session(self, token: str, *, expires_at: datetime) -> Session | None:
        """Extend a session. It never shortens one, and it is not a check: a revoked session stays refused. Check first.

        Returns:
            The session as stored now; ``None`` if there is no such session or it has expired.

        Cost: 1 request, 1 write unit, plus 2 for the index, whose sort key changes.

        Clauses:
            SESSION-9: Moves expires_at forward, never back, and never revives an expired or deleted session.
        """
        ...

    async def delete_session(self, token: str) -> None:
        """Sign out: end this session.

        Cost: 1 request, 1 write unit, plus 1 for the index. None for a malformed token.

        Clauses:
            SESSION-10: The session is refused from then on, others are not affected, and an unknown token is not an
                error.
        """
        ...

    async def delete_session_by_id(self, user_id: str, session_id: str) -> bool:
        """End one of the user's sessions by its id ("sign out that device").

        Returns:
            Whether this user had such a session.

        Cost: 1 request, 2 write units, plus 1 for the index.

        Clauses:
            SESSION-11: Ends the session only if it is the named user's.
        """
        ...

    async def delete_sessions_for_user(self, user_id: str) -> int | None:
        """Sign out everywhere: end all of the user's sessions, however many, in one write.

        Returns:
            The new epoch, or ``None`` if there is no such user.

        Cost: 1 request, 1 write unit, plus 1 for the index. Rows are removed afterwards (``session_cleanup``).

        Clauses:
            SESSION-12: Once it has returned, no session created before it passes a check; one created after it does.
            SESSION-13: A user that does not exist is not created.
            SESSION-14: Removing the rows of ended sessions never removes a session created since.
        """
        ...

    async def cleanup_expired_sessions(self) -> int:
        """Remove rows of expired sessions, where the store does not do so by itself.

        Returns:
            How many rows were removed; always 0 on DynamoDB, which removes them by TTL (RFC 0008).

        Cost: none.

        Clauses:
            SESSION-15: Never removes a session that has not expired.
        """
        ...


class AsyncEmailPasswordStorage(Protocol):
    """Password hashes. They are stored on the email identity, because a sign-in reads that first."""

    async def set_password_hash(
        self,
        user_id: str,
        password_hash: str,
        *,
        expected_version: str | None | Unset = UNSET,
        user: User | None = None,
        session_epoch: int | None = None,
    ) -> User:
        """Set or replace the password, ending all sessions in the same write.

        Args:
            user_id: The user.
            password_hash: The hash, as the hasher returned it.
            expected_version: The ``password_version`` that the caller verified (``None``: that there is no password).
                If it is not given, the write overwrites any password.
            user: The user as read, if the caller has it (saves a read; a stale one is read again).
            session_epoch: The user's ``session_epoch`` when the change began; ``None`` skips the check.

        Returns:
            The user as stored now, to which the next session should be bound.

        Raises:
            NotFound: There is no such user.
            Revoked: All of the user's sessions have been ended since ``session_epoch``.
            VersionConflict: The password or the address has changed since.

        Cost: 1 request (2 without ``user``), 4 write units, plus 1 for the index.

        Clauses:
            PASSWORD-1: Once it has returned, the new hash is the only one, and no session created before it passes.
            PASSWORD-2: With expected_version, of two changes of one password, one raises VersionConflict.
            PASSWORD-3: A user that does not exist raises NotFound and nothing is created.
            PASSWORD-11: With session_epoch, a change that began before all sessions were ended is refused; the write
                itself decides.
        """
        ...

    async def rehash_password(self, user_id: str, *, email: str, old_hash: str, new_hash: str) -> bool:
        """Replace the hash by a stronger one of the same password. Sessions stay valid.

        Returns:
            Whether it was replaced; ``False`` if ``old_hash`` is no longer the stored one.

        Cost: 1 request, 2 write units.

        Clauses:
            PASSWORD-4: Never overwrites a hash other than old_hash.
        """
        ...

    async def get_password_hash(self, user_id: str) -> str | None:
        """Return the user's password hash; ``None`` if there is no such user or no password.

        Cost: 2 requests in sequence, 2 read units.

        Clauses:
            PASSWORD-5: Returns the current hash, or None.
        """
        ...

    async def get_credentials_by_email(self, email: str) -> PasswordCredentials | None:
        """Return what a sign-in needs, by address, in one strongly consistent read; ``None`` if nobody has the address.

        Cost: 1 request, 1 read unit.

        Clauses:
            PASSWORD-6: Returns the user's id, hash and version; for a user without a password, hash and version are
                None.
        """
        ...

    async def remove_password_hash(
        self, user_id: str, *, allow_verified_email: bool = False, session_epoch: int | None = None
    ) -> bool:
        """Remove the password, ending all sessions in the same write.

        Args:
            user_id: The user.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).
            session_epoch: The user's ``session_epoch`` when the removal began; ``None`` skips the check.

        Returns:
            Whether there was a password.

        Raises:
            NotFound: There is no such user.
            LastSignInMethod: The user would have no way left to sign in.
            Revoked: All of the user's sessions have been ended since ``session_epoch``.

        Cost: 2 requests in sequence, 1 read unit, 4 write units, plus 1 for the index.

        Clauses:
            PASSWORD-7: Refused if it is the last way to sign in; the write itself decides.
            PASSWORD-8: Once it has returned, no hash is stored and no session created before it passes.
            PASSWORD-17: With session_epoch, a removal that began before all sessions were ended is refused; the write
                itself decides.
        """
        ...

    async def complete_password_reset(self, token: str, password_hash: str) -> User | None:
        """Use a password-reset token and set the password, in one atomic write that ends all sessions and tokens.

        It also proves the address: the address becomes verified, and a first proof removes the OAuth accounts and
        passkeys that were added before it.

        Returns:
            The user as stored now; ``None`` if the token is not valid.

        Cost: 2 requests in sequence. None for a malformed token.

        Clauses:
            PASSWORD-9: Of concurrent calls with one token, one succeeds; token and password change together.
            PASSWORD-10: A token is refused if its user's address, password or session epoch has changed since it was
                issued.
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
        """Use a token that proves an address and mark the address as verified, in one atomic write.

        The first proof of an address removes what was set up before it, because whoever set it up may not own the
        address: password, OAuth accounts and passkeys are removed, sessions and tokens end.

        Args:
            token: The token that was mailed to the address.
            purpose: The purpose it was issued for.
            new_email: The address to change to, if the token was mailed to that one; ``None``: the user's own.
            keep: Keep what was set up before: the proof comes from whoever set it up.
            password_hash: A new password, set in the same write. Not with ``keep``.

        Returns:
            The user as stored now; ``None`` if the token is not valid, or if a password is given although the address
            was verified before.

        Raises:
            AlreadyExists: ``what="email"``: another user has the new address. The token is not used up.

        Cost: 2 requests in sequence; 3 if what was set up moves to a new address. None for a malformed token.

        Clauses:
            PASSWORD-12: Of concurrent calls with one token, one succeeds; everything is written with the use of the
                token, or nothing is.
            PASSWORD-13: The first proof removes what was set up before it, unless keep is given; a later one removes
                nothing.
            PASSWORD-14: A token is refused if its user's address, password or session epoch has changed since it was
                issued.
            PASSWORD-15: With new_email, the new address is claimed and the old one freed at once, and it is verified;
                what is kept moves with it.
            PASSWORD-16: With password_hash, it is the only password afterwards; nothing is set if the address was
                verified before.
        """
        ...


class AsyncOAuthStorage(Protocol):
    """Accounts at OAuth and OpenID Connect providers, and PKCE verifiers."""

    async def create_oauth_account(self, new_user: NewUser, account: NewOAuthAccount) -> tuple[User, OAuthAccount]:
        """Create a user who signs in through a provider: user, address and account in one atomic write.

        Raises:
            AlreadyExists: ``what`` says which is taken: ``"oauth_account"``, ``"email"`` or ``"user"``.

        Cost: 1 request, 6 write units, plus 1 for the index.

        Clauses:
            OAUTH-1: User, address and account are written together or not at all.
        """
        ...

    async def link_oauth_account(
        self, user_id: str, account: NewOAuthAccount, *, session_epoch: int | None = None, joining: bool = False
    ) -> OAuthAccount:
        """Link an account to a user. If the user has linked it already, it is returned as stored.

        Args:
            user_id: The user.
            account: The account.
            session_epoch: The user's ``session_epoch`` when linking began. Ending all sessions, changing the password
                and locking the account all increase it, so nothing that began before them completes. ``None`` skips the
                check.
            joining: Whether the account is linked only because it has the user's address, without the user asking.
                Otherwise the user asked for it, and the provider no longer counts as disconnected.

        Raises:
            AlreadyExists: ``what="oauth_account"``: another user has linked it.
            NotFound: There is no such user.
            Revoked: All of the user's sessions have been ended since ``session_epoch``.
            ProviderDisconnected: With ``joining``, the user disconnected the provider.
            TooManyIdentities: The user has 90 identities.

        Cost: 1 request, 4 write units, plus 1 for the index.

        Clauses:
            OAUTH-2: However many users race for one account, one gets it.
            OAUTH-3: Linking again is not an error and changes nothing.
            OAUTH-4: Nothing is linked to a user that does not exist.
            OAUTH-5: The 91st identity is refused; the write itself decides.
            OAUTH-15: With session_epoch, nothing is linked once all sessions have been ended since; the write itself
                decides. An account that is linked already is returned as linked.
        """
        ...

    async def get_oauth_account_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> OAuthAccount | None:
        """Return the linked account; ``None`` if nobody has linked it.

        Cost: 1 request, 1 read unit (0.5 if eventually consistent).

        Clauses:
            OAUTH-6: Returns the account with profile and tokens as stored.
        """
        ...

    async def get_user_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> User | None:
        """Return the user who linked the account; ``None`` if nobody has.

        Cost: 2 requests in sequence, 2 read units (1 if eventually consistent).

        Clauses:
            OAUTH-7: Returns the user, or None once the account is unlinked or the user is deleted.
        """
        ...

    async def list_oauth_accounts_for_user(self, user_id: str) -> Listing[OAuthAccount]:
        """Return the user's linked accounts, oldest first; empty if there is no such user. Strongly consistent.

        Cost: 2 requests in sequence; 1 if there are no accounts.

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
        """Store what the provider says now.

        Args:
            user_id: The user who linked the account.
            provider: The provider.
            subject: The provider's id for the person.
            email: The address, as the provider gives it.
            profile: What the provider says about the person.
            tokens: The provider's tokens.
            expected_tokens: Write only if the stored tokens are these: of several hosts that read the same tokens, one
                writes.

        Returns:
            The account as stored now; ``None`` if this user has not linked it.

        Raises:
            VersionConflict: The stored tokens are not the expected ones. Nothing was written.

        Cost: 2 requests in sequence, 1 read unit, 2 write units.

        Clauses:
            OAUTH-9: Changes only what is given, and only for the user who linked it.
            OAUTH-17: With expected_tokens, of concurrent changes that expect the same tokens, one succeeds.
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
        """Unlink an account. The user's item records that they disconnected the provider.

        Args:
            user_id: The user who linked the account.
            provider: The provider.
            subject: The provider's id for the person.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).
            session_epoch: The user's ``session_epoch`` when the removal began; ``None`` skips the check.

        Returns:
            Whether this user had linked it.

        Raises:
            LastSignInMethod: The user would have no way left to sign in.
            Revoked: All of the user's sessions have been ended since ``session_epoch``.

        Cost: 1 request, 4 write units, plus 1 for the index.

        Clauses:
            OAUTH-10: Refused if it is the last way to sign in; the write itself decides, so of two racing removals of
                the last two ways, one is refused.
            OAUTH-11: Removes the account only from the user who linked it.
            OAUTH-18: With session_epoch, nothing is removed once all sessions have been ended since; the write itself
                decides.
            OAUTH-16: After it, no account of the provider is linked with joining (the write itself decides), until one
                is linked without joining or the first proof of the address removes what was set up.
        """
        ...

    async def store_pkce_verifier(
        self, state: str, verifier: str, *, expires_at: datetime, metadata: Metadata | None = None
    ) -> None:
        """Store a verifier under the state (16 to 512 characters, unguessable) until the person returns.

        Raises:
            AlreadyExists: ``what="state"``: something is stored under this state and has not expired.

        Cost: 1 request, 1 write unit.

        Clauses:
            OAUTH-12: Stored so that state, verifier and metadata cannot be read from the table.
        """
        ...

    async def get_pkce_verifier(self, state: str) -> PkceVerifier | None:
        """Return the verifier without using it up; ``None`` if it is unknown, used or expired.

        Cost: 1 request, 1 read unit.

        Clauses:
            OAUTH-13: Returns it until it expires or is used.
        """
        ...

    async def consume_pkce_verifier(self, state: str) -> PkceVerifier | None:
        """Return the verifier and use it up; ``None`` if it is unknown, used or expired.

        Cost: 1 request, 1 write unit.

        Clauses:
            OAUTH-14: Of concurrent callers, one gets it.
        """
        ...


class AsyncPasskeyStorage(Protocol):
    """Passkeys (WebAuthn credentials) and challenges."""

    async def add_passkey(self, new_passkey: NewPasskey, *, session_epoch: int | None = None) -> Passkey:
        """Add a passkey to a user. If the user has it already, it is returned as stored.

        Args:
            new_passkey: The passkey.
            session_epoch: The user's ``session_epoch`` when the registration began; ``None`` skips the check.

        Raises:
            AlreadyExists: ``what="passkey"``: another user has the credential id.
            NotFound: There is no such user.
            Revoked: All of the user's sessions have been ended since ``session_epoch``.
            TooManyIdentities: The user has 90 identities.

        Cost: 1 request, 4 write units, plus 1 for the index.

        Clauses:
            PASSKEY-1: However many users race for one credential id, one gets it.
            PASSKEY-2: A user that does not exist gets none; the 91st identity is refused.
            PASSKEY-11: With session_epoch, no passkey is added once all sessions have been ended since; the write
                itself decides. A passkey that was added already is returned as added.
        """
        ...

    async def get_passkey(self, credential_id: bytes, *, consistent: bool | None = None) -> Passkey | None:
        """Return the passkey; ``None`` if nobody has it.

        Cost: 1 request, 1 read unit (0.5 if eventually consistent).

        Clauses:
            PASSKEY-3: Returns it as stored.
        """
        ...

    async def list_passkeys_for_user(self, user_id: str) -> Listing[Passkey]:
        """Return the user's passkeys, oldest first; empty if there is no such user. Strongly consistent.

        Cost: 2 requests in sequence; 1 if there are no passkeys.

        Clauses:
            PASSKEY-4: Lists exactly the user's passkeys.
        """
        ...

    async def rename_passkey(self, user_id: str, credential_id: bytes, name: str) -> Passkey | None:
        """Rename a passkey.

        Returns:
            The passkey as stored now; ``None`` if it is not this user's.

        Cost: 2 requests in sequence, 2 write units, 1 read unit.

        Clauses:
            PASSKEY-5: Changes only the name, and only for the passkey's user.
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
        """Record a sign-in: the new sign count, the time of use, and what the authenticator says about backups.

        Args:
            user_id: The user.
            credential_id: The passkey.
            sign_count: The authenticator's counter.
            allow_decrease: Whether to accept a count that does not increase.
            backup_eligible: Whether the passkey can be synchronised; ``None`` leaves it as it is.
            backed_up: Whether it is synchronised at present; ``None`` leaves it as it is.

        Returns:
            The passkey as stored now; ``None`` if it is not this user's.

        Raises:
            ClonedAuthenticator: The count did not increase (both may be zero: some authenticators do not count), or
                backup eligibility changed, which no authenticator may do.

        Cost: 2 requests in sequence, 2 write units, 1 read unit.

        Clauses:
            PASSKEY-6: Refuses a count that does not increase, unless allow_decrease is given; the write itself decides.
            PASSKEY-12: Records the backup state in the same write. Once recorded, backup eligibility never changes: the
                write itself refuses another value, whatever the count and allow_decrease.
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
        """Remove a passkey, under the rules of :meth:`AsyncOAuthStorage.unlink_oauth_account`.

        Raises:
            LastSignInMethod: The user would have no way left to sign in.
            Revoked: All of the user's sessions have been ended since ``session_epoch``.

        Cost: 1 request, 4 write units, plus 1 for the index.

        Clauses:
            PASSKEY-7: Refused if it is the last way to sign in; removes the passkey only from its user.
            PASSKEY-13: With session_epoch, nothing is removed once all sessions have been ended since; the write itself
                decides.
        """
        ...

    async def delete_passkeys_for_user(self, user_id: str, *, allow_verified_email: bool = False) -> int:
        """Remove all of the user's passkeys in one atomic write.

        Returns:
            How many there were.

        Raises:
            LastSignInMethod: The user would have no way left to sign in.

        Cost: 2 requests in sequence, 1 read unit, 2 write units, plus 2 for each passkey and 1 for the index.

        Clauses:
            PASSKEY-8: All are removed or none; refused if the user would have no way left to sign in.
        """
        ...

    async def store_passkey_challenge(self, challenge: NewPasskeyChallenge) -> None:
        """Store a challenge.

        Raises:
            AlreadyExists: ``what="challenge"``: this challenge is stored and has not expired.

        Cost: 1 request, 1 write unit.

        Clauses:
            PASSKEY-9: Stored as its hash.
        """
        ...

    async def consume_passkey_challenge(self, challenge: bytes, *, kind: CeremonyKind) -> PasskeyChallenge | None:
        """Return a challenge and use it up; ``None`` if it is unknown, used, expired or of another kind.

        Cost: 1 request, 1 write unit.

        Clauses:
            PASSKEY-10: Of concurrent callers, one gets it; it is accepted only for its own kind.
        """
        ...


class AsyncTokenStorage(Protocol):
    """One-time tokens."""

    async def create_token(self, new_token: NewToken, *, user: User | None = None) -> Token:
        """Issue a token, bound to the user's current address and session epoch.

        Args:
            new_token: The token's fields.
            user: The user as read, if the caller has it (saves a read).

        Returns:
            The token with its secret, which cannot be read again later.

        Raises:
            NotFound: There is no such user (raised only if ``user`` is not given, or with ``revoke_earlier``).

        Cost: 1 request (2 for a user's token without ``user``), 1 write unit. With ``revoke_earlier``, 4 write units,
        plus 1 for the index.

        Clauses:
            TOKEN-1: Has 256 random bits and cannot be derived from what is stored.
            TOKEN-2: With revoke_earlier, the user's earlier tokens of the purpose are invalid once it has returned.
        """
        ...

    async def verify_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        """Use up a token.

        Returns:
            The token and its user; ``None`` if it is malformed, unknown, used, expired or of another purpose, or if
            what it was bound to has changed.

        Raises:
            Unavailable: It is unknown whether the token was used up; issue another.

        Cost: 1 request, 1 write unit; for a user's token another at the same time, 1 read unit.

        Clauses:
            TOKEN-3: Of concurrent callers, one gets it.
            TOKEN-4: It is accepted only for its own purpose, and an attempt for another does not use it up.
            TOKEN-5: It is refused from expires_at on.
            TOKEN-6: It becomes invalid when the user's address or session epoch changes (password change, reset,
                sign-out everywhere) or the user is deleted.
        """
        ...

    async def check_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        """Return what :meth:`verify_token` would return now, without using the token up.

        Cost: 1 request, 1 read unit (2 for a user's token).

        Clauses:
            TOKEN-7: Changes nothing.
        """
        ...

    async def get_latest_token(self, user_id: str, *, purpose: str, user: User | None = None) -> Token | None:
        """Return the user's token of a purpose that was last issued with ``revoke_earlier``, without its secret.

        Args:
            user_id: The user's id.
            purpose: The purpose.
            user: The user as read, if the caller has it (saves a read). If it is stale, so is the answer.

        Returns:
            The token; ``None`` if none was issued, or if it is no longer valid.

        Cost: 1 request, 1 read unit (none if none was issued); without ``user`` another before it, 1 read unit.

        Clauses:
            TOKEN-9: It is the token that verify_token would accept. Tokens issued without revoke_earlier are not found.
        """
        ...

    async def revoke_latest_token(self, user_id: str, *, purpose: str) -> bool:
        """End the token that :meth:`get_latest_token` returns, by one conditional write of the token alone.

        Returns:
            Whether there was one, which is now invalid. ``False`` if it was used up before.

        Cost: 2 requests (1 if none was issued), 1 read unit, 1 write unit.

        Clauses:
            TOKEN-10: Of concurrent callers, one uses the token up or ends it; the others find it invalid.
            TOKEN-11: Other purposes and other users keep theirs, and the user is unchanged.
        """
        ...

    async def create_code(self, new_token: NewToken, code: str, *, user: User | None = None) -> Token:
        """Store a mailed code, which is valid only in the browser that asked for it.

        Args:
            new_token: Its purpose, and what it is bound to, as for :meth:`create_token`. ``revoke_earlier`` has no
                effect.
            code: Eight digits, to be mailed. What is stored cannot be compared with it without the flow token.
            user: The user as read, if you have it; saves a read.

        Returns:
            The flow token with its secret, for the browser that asked. The code is valid only together with it.

        Raises:
            NotFound: There is no such user (only if ``user`` is not given).

        Cost: 1 request if ``user`` is given or the code has no user, otherwise two: 1 write unit.

        Clauses:
            CODE-1: The flow token has 256 random bits; neither it nor the code can be derived from what is stored.
            CODE-2: The flow token is not a one-time token: verify_token and check_token return None for it.
            CODE-7: The flow token does not reveal whether there is a user, or which.
        """
        ...

    async def try_code(self, token: str, code: str, *, purpose: str) -> VerifiedToken | None:
        """Try a code. The try is counted, the code compared and, if right, used up in one write.

        Args:
            token: The flow token.
            code: What was typed; spaces, hyphens and digits of other scripts are accepted. Anything that is not eight
                digits is refused without being counted.
            purpose: The purpose it must have.

        Returns:
            What the code proves, and its user; ``None`` if it is wrong, used, expired, of another purpose or flow, or
            was tried too often, or if what it was bound to has changed.

        Raises:
            Unavailable: It is unknown whether the try was counted.

        Cost: 1 request, 1 write unit; for the right code of a user, a second one: 1 read unit.

        Clauses:
            CODE-3: At most five tries of a code are compared, however many run at once; after that, it is refused.
            CODE-4: Of concurrent callers with the right code, one gets a result.
            CODE-5: It is accepted only for its own purpose and flow token, and is refused from expires_at on.
            CODE-6: It becomes invalid when a one-time token would (TOKEN-6).
        """
        ...

    async def cleanup_expired_tokens(self) -> int:
        """Remove rows of expired tokens, verifiers and challenges, where the store does not do so by itself.

        Returns:
            How many rows were removed; always 0 on DynamoDB.

        Cost: none.

        Clauses:
            TOKEN-8: Never removes one that has not expired.
        """
        ...


class AsyncSecondFactorStorage(Protocol):
    """Second factors: authenticator apps, recovery codes, and whether passkeys count as one.

    The user's set ``factors`` lists them, so a sign-in knows from the user whether a second factor is required.
    """

    async def add_factor(
        self, new_factor: NewFactor, *, session_epoch: int | None = None, only_first: bool = False
    ) -> Factor:
        """Add an authenticator app whose first code was verified.

        Args:
            new_factor: The factor.
            session_epoch: The user's epoch when this was begun.
            only_first: Whether to add it only to a user who has no second factor.

        Returns:
            The factor as stored.

        Raises:
            NotFound: There is no such user.
            TooManyFactors: The user has five already.
            Revoked: All sessions were ended since ``session_epoch``.
            VersionConflict: With ``only_first``, the user has a second factor.

        Cost: 2 requests in sequence, 1 read unit, 4 write units, plus 1 for the index.

        Clauses:
            FACTOR-1: The factor and its name in the user's set are written together or not at all.
            FACTOR-2: A repeated call with the same id leaves one factor, the first.
            FACTOR-3: With session_epoch, nothing is written once all sessions were ended since, decided in the write.
            FACTOR-15: With only_first, of concurrent callers with different ids, one adds its factor.
        """
        ...

    async def get_factor(self, user_id: str, factor_id: str) -> Factor | None:
        """Read an authenticator app, or with ``recovery`` the recovery codes, with a consistent read.

        Returns:
            The factor; ``None`` if the user does not have it.

        Cost: 1 request, 1 read unit.

        Clauses:
            FACTOR-14: Returns the factor as list_factors_for_user lists it.
        """
        ...

    async def list_factors_for_user(self, user_id: str, *, user: User | None = None) -> Listing[Factor]:
        """List the user's authenticator apps and recovery codes, with consistent reads.

        Args:
            user_id: The user.
            user: The user as read, if you have it; saves a read.

        Returns:
            Recovery codes first, then authenticator apps, oldest first; empty if there is no such user. Passkeys are
            not included.

        Cost: 2 requests in sequence; one if ``user`` is given, none without factors.

        Clauses:
            FACTOR-4: Lists exactly those that were added and not removed.
        """
        ...

    async def remove_factor(self, user_id: str, factor_id: str, *, session_epoch: int | None = None) -> bool:
        """Remove an authenticator app, or with ``recovery`` the recovery codes.

        Returns:
            Whether the user had it.

        Raises:
            Revoked: All sessions were ended since ``session_epoch``.

        Cost: 2 requests in sequence, 1 read unit, 4 write units, plus 1 for the index.

        Clauses:
            FACTOR-5: Of concurrent callers, one gets True.
            FACTOR-6: Recovery codes are removed with the last other factor.
            FACTOR-7: A removed factor accepts nothing.
            FACTOR-16: Any removal invalidates the one-time tokens of the purpose ``second_factor`` issued before it.
        """
        ...

    async def remove_factors_for_user(self, user_id: str, *, session_epoch: int | None = None) -> bool:
        """Remove all second factors, recovery codes included. Passkeys stay, and no longer count as one.

        Returns:
            Whether there were any.

        Raises:
            Revoked: All sessions were ended since ``session_epoch``.

        Cost: 2 requests in sequence.

        Clauses:
            FACTOR-8: One write removes all of them.
        """
        ...

    async def use_passkeys_as_factor(self, user_id: str, enabled: bool, *, session_epoch: int | None = None) -> bool:
        """Set whether the user's passkeys count as a second factor.

        Returns:
            Whether that changed anything.

        Raises:
            Revoked: All sessions were ended since ``session_epoch``.

        Cost: 2 requests in sequence, 1 read unit, 2 write units, plus 1 for the index.

        Clauses:
            FACTOR-9: ``passkey`` is in the user's set exactly as long as they count.
        """
        ...

    async def accept_totp_step(self, user_id: str, factor_id: str, step: int) -> bool:
        """Accept the time step of a correct code, once.

        Args:
            user_id: The user.
            factor_id: The factor.
            step: Seconds since 1970 divided by 30, of the code that was verified.

        Returns:
            Whether it was accepted for this call; ``False`` also for a step before the last accepted one, and for a
            factor that was removed.

        Cost: 1 request, 1 write unit.

        Clauses:
            FACTOR-10: Of concurrent callers, one gets True; steps never go back.
        """
        ...

    async def set_recovery_codes(
        self, user_id: str, marks: Collection[str], *, session_epoch: int | None = None
    ) -> User:
        """Replace all recovery codes.

        Args:
            user_id: The user.
            marks: A MAC of each code, 1 to 32 texts of up to 128 characters; never the codes themselves.
            session_epoch: The user's epoch when this was begun.

        Returns:
            The user as stored.

        Raises:
            NotFound: There is no such user.
            Revoked: All sessions were ended since ``session_epoch``.

        Cost: 2 requests in sequence, 1 read unit, 4 write units, plus 1 for the index.

        Clauses:
            FACTOR-11: Earlier codes are refused once it has returned.
        """
        ...

    async def use_recovery_code(self, user_id: str, mark: str) -> bool:
        """Use up a recovery code.

        Args:
            user_id: The user.
            mark: The code's MAC, as stored.

        Returns:
            Whether this call used it up; ``False`` if the user has no such code.

        Cost: 1 request, 1 write unit.

        Clauses:
            FACTOR-12: Of concurrent callers, one gets True, even if its response was lost and it tried again.
        """
        ...

    async def reseal_factor(self, factor: Factor, secret: bytes) -> bool:
        """Replace an authenticator app's seed with the same seed, sealed anew, unless it was changed since it was read.

        Returns:
            Whether it was replaced.

        Cost: 1 request, 2 write units.

        Clauses:
            FACTOR-13: A factor that was removed or sealed anew since it was read is not changed.
        """
        ...


class AsyncBruteForceStorage(Protocol):
    """Limits on attempts, lockout, and the audit of failed attempts. Addresses without a user are treated the same."""

    async def acquire_login_attempt(self, email: str, *, policy: LockoutPolicy | None = None) -> AttemptResult:
        """Ask whether a password may be tried for an address. Verify the password only if it is allowed.

        Args:
            email: The address, whether or not anybody has it.
            policy: The limits; ``None`` for the defaults (5 in 15 minutes).

        Cost: 1 request, 1 write unit.

        Clauses:
            LOCKOUT-1: At most max_attempts are allowed in any window, however many are requested in parallel.
            LOCKOUT-2: A refusal says how long until the next attempt is allowed.
            LOCKOUT-3: Addresses without a user are treated the same.
            LOCKOUT-4: With enabled=False every attempt is allowed and nothing is written.
        """
        ...

    async def acquire_attempt(
        self, kind: AttemptKind, value: str, *, purpose: str | None = None, policy: LockoutPolicy | None = None
    ) -> AttemptResult:
        """Apply the same limit to anything else: an IP address (IPv6 by its /64 network), a mailbox, a device, a user.

        Args:
            kind: What is counted.
            value: Which one.
            purpose: Counts separately for each purpose, 1 to 32 of ``a-z 0-9 _ -``; ``None`` is separate from all of
                them.
            policy: The limits; ``None`` for the defaults (5 in 15 minutes).

        Cost: 1 request, 1 write unit.

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
        """Write the audit row of an attempt that was allowed and failed.

        Cost: 3 requests in sequence, 2 read units, 1 write unit.

        Clauses:
            LOCKOUT-6: One row per attempt, with time, IP address and user agent.
        """
        ...

    async def get_lockout_status(self, email: str, *, policy: LockoutPolicy | None = None) -> LockoutStatus:
        """Return the lockout status of an address. Changes nothing.

        Cost: 1 request, 1 read unit.

        Clauses:
            LOCKOUT-7: Says what acquire_login_attempt would.
        """
        ...

    async def clear_attempts(self, email: str, *, attempt_id: str | None = None) -> None:
        """Reset the count of attempts, but not the audit.

        Args:
            email: The address.
            attempt_id: The attempt that succeeded (empty: none was counted, so nothing is reset). If given, the count
                is kept if there have been later attempts.

        Cost: 1 request, 1 write unit (2 without ``attempt_id``).

        Clauses:
            LOCKOUT-8: After it, max_attempts are allowed again; with attempt_id, later attempts still count.
        """
        ...

    async def clear_attempt(
        self, kind: AttemptKind, value: str, *, attempt_id: str, purpose: str | None = None
    ) -> None:
        """Reset a count of :meth:`acquire_attempt` after a success.

        Args:
            kind: As for :meth:`acquire_attempt`.
            value: As for :meth:`acquire_attempt`.
            attempt_id: The attempt that succeeded. If there have been later ones, the count is kept.
            purpose: As for :meth:`acquire_attempt`.

        Cost: 1 request, 1 write unit.

        Clauses:
            LOCKOUT-14: Later attempts are kept.
        """
        ...

    async def list_failed_attempts(self, email: str, *, limit: int = 100) -> Listing[FailedAttempt]:
        """Return the audit: failed attempts within the retention period, newest first.

        Cost: 1 request per MB of rows.

        Clauses:
            LOCKOUT-9: Lists what was recorded and has not expired, newest first, at most limit.
        """
        ...

    async def cleanup_old_attempts(self, email: str, *, before: datetime) -> int:
        """Remove the older audit rows of an address, unless an administrator has locked the account.

        Returns:
            How many were removed.

        Cost: 2 requests for the user, then 1 per MB of rows and 1 per 25 rows removed.

        Clauses:
            LOCKOUT-10: Removes only older rows, and none of a locked account.
        """
        ...

    async def set_locked_at(self, user_id: str, locked_at: datetime | None) -> User | None:
        """Lock an account as an administrator, ending all its sessions, or unlock it (``None``).

        While the account is locked, its audit rows do not expire.

        Returns:
            The user as stored now; ``None`` if there is no such user.

        Cost: 2 requests for the user, then 1 per MB of audit rows and 1 per 25 rows.

        Clauses:
            LOCKOUT-11: Sets and clears the lock; locking ends the sessions created before.
            LOCKOUT-12: The audit of a locked account is kept past its retention period.
        """
        ...

    async def get_locked_at(self, user_id: str) -> datetime | None:
        """Return when the account was locked; ``None`` if it is not locked, or there is no such user.

        Cost: 1 request, 1 read unit.

        Clauses:
            LOCKOUT-13: Returns what set_locked_at set.
        """
        ...


class AsyncStorage(
    AsyncUserStorage,
    AsyncSessionStorage,
    AsyncEmailPasswordStorage,
    AsyncOAuthStorage,
    AsyncPasskeyStorage,
    AsyncTokenStorage,
    AsyncSecondFactorStorage,
    AsyncBruteForceStorage,
    Protocol,
):
    """The whole storage contract."""
