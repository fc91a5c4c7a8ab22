# Generated from src/torii_dynamodb/_async/services/second_factor.py by tools/unasync.py. Do not edit.

"""Second factors: setting them up, asking for them, and losing them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from torii_dynamodb._rules import base64url, totp, validation
from torii_dynamodb._rules.second_factor import (
    FACTOR_NAMES,
    SECOND_FACTOR,
    Challenges,
    FactorKind,
    SecondFactorPolicy,
    amr_of,
    factor_kind,
    factor_kinds,
    is_enrolled,
)
from torii_dynamodb._rules.secrets import parse_one_time_token
from torii_dynamodb._rules.signing_in import Browser, refuse_locked
from torii_dynamodb._rules.webauthn import PasskeyError
from torii_dynamodb._sync.primitives import both
from torii_dynamodb.errors import (
    AccountLocked,
    ClonedAuthenticator,
    ConfigurationError,
    InvalidCode,
    InvalidToken,
    NotFound,
    Revoked,
    VersionConflict,
)
from torii_dynamodb.events import (
    RecoveryCodesReplaced,
    RecoveryCodeUsed,
    SecondFactorAdded,
    SecondFactorRemoved,
    SignInFailed,
    SignInMethod,
)
from torii_dynamodb.models import AttemptResult, Factor, Listing, NewFactor, Session, SignedIn, User, VerifiedToken
from torii_dynamodb.second_factor import EnrolledFactor, SecondFactorChallenge, TotpEnrolment

if TYPE_CHECKING:
    from torii_dynamodb._rules.devices import Devices
    from torii_dynamodb._rules.recovery_codes import RecoveryCodes
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.secret_box import SecretBox
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.passkeys import PasskeyService
    from torii_dynamodb._sync.services.sessions import SessionService
    from torii_dynamodb.clock import Clock, RandomBytes

__all__ = ["SecondFactorService"]

_KNOWN_DEVICE = "second_factor_known"
_ENROLMENT = "second_factor_enrolment"
_ENROLMENT_FOR = timedelta(minutes=15)
_WRONG_CODE = "the code is wrong, was used, or has expired"
_NO_CHALLENGE = "the sign-in has expired or was completed; sign in again"
_NO_ENROLMENT = "this was begun too long ago, or for somebody else; begin again"
_TOO_MANY = "there were too many wrong codes; wait, then try again"


class SecondFactorService:
    """Authenticator apps (TOTP), passkeys as a second factor, and recovery codes.

    Args:
        storage: Stores the factors.
        sessions: Makes the sessions.
        policy: Who must give a second factor.
        box: Seals the seeds.
        recovery: Makes recovery codes and their marks.
        challenges: Recognises the challenges that were issued here.
        devices: Recognises browsers that signed the user in before.
        passkeys: The passkey service; ``None`` if passkeys are not set up.
        issuer: The application's name in authenticator apps.
        events: Receives the events.
        clock: The clock.
        random: Makes seeds and ids.
        mail: Mails the owner about changes; ``None`` for no mails.
    """

    def __init__(
        self,
        storage: Storage,
        sessions: SessionService,
        *,
        policy: SecondFactorPolicy,
        box: SecretBox,
        recovery: RecoveryCodes,
        challenges: Challenges,
        devices: Devices,
        passkeys: Callable[[], PasskeyService] | None,
        issuer: str,
        events: Events,
        clock: Clock,
        random: RandomBytes,
        mail: Mail | None,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self.policy = policy
        self._box = box
        self._recovery = recovery
        self._challenges = challenges
        self._devices = devices
        self._passkeys = passkeys
        self._issuer = issuer
        self._events = events
        self._clock = clock
        self._random = random
        self._mail = mail

    # What a user has

    def is_enrolled(self, user: User) -> bool:
        """Whether the user has a second factor."""
        return is_enrolled(user)

    def kinds(self, user: User) -> frozenset[Literal["totp", "passkey", "recovery"]]:
        """What the user can give as a second factor."""
        return factor_kinds(user)

    def list_for_user(self, user_id: str, *, user: User | None = None) -> Listing[Factor]:
        """The user's authenticator apps and recovery codes. ``user``: as read, to save a request."""
        return self._storage.list_factors_for_user(user_id, user=user)

    # Setting up

    def begin_enrolment(self, user: User, *, name: str = "Authenticator app") -> TotpEnrolment:
        """Begin to set up an authenticator app. Require a recent sign-in before. No request is made.

        Args:
            user: The user who is signed in, or who gave the first factor (:meth:`check`).
            name: What the person calls the app, up to 64 characters.
        """
        refuse_locked(user)
        validation.text(name, "name", most=64)
        seed = totp.new_seed(self._random)
        sealed: dict[str, object] = {
            "seed": base64url.encode(seed),
            "id": self._random(9).hex(),
            "name": name,
            "epoch": user.session_epoch,
            # Fixed here, so that a form that is submitted twice shows the same, valid codes both times.
            "recovery": [] if "recovery" in user.factors else self._recovery.make(),
            "until": (self._clock() + _ENROLMENT_FOR).isoformat(),
        }
        token = self._box.seal(json.dumps(sealed).encode(), associated=_enrolment_of(user.id))
        return self._described(user, seed, base64url.encode(token))

    def resume_enrolment(self, user: User, enrolment: str) -> TotpEnrolment:
        """Return an enrolment that was begun, to show it again after a wrong code. No request is made.

        Raises:
            InvalidToken: The enrolment is not this user's, or was begun too long ago.
        """
        seed, _ = self._opened_enrolment(user, enrolment)
        return self._described(user, seed, enrolment)

    def _described(self, user: User, seed: bytes, token: str) -> TotpEnrolment:
        uri = totp.enrolment_uri(seed, issuer=self._issuer, account=user.email_as_given)
        return TotpEnrolment(uri=uri, secret=totp.seed_text(seed), token=token)

    def complete_enrolment(self, user: User, enrolment: str, code: str) -> EnrolledFactor:
        """Verify the app's first code, and add the app as a second factor.

        Args:
            user: The user who began, as read by the session check.
            enrolment: ``TotpEnrolment.token``.
            code: What the app shows.

        Returns:
            The factor, with recovery codes where the user had none.

        Raises:
            InvalidCode: The code is wrong. The same enrolment can be tried again.
            InvalidToken: The enrolment is not this user's, or was begun too long ago.
            AccountLocked: Too many wrong codes, or locked by an administrator.
            Revoked: All the user's sessions were ended since ``user`` was read.
            TooManyFactors: The user has five apps already.
        """
        return self._enrol(user, enrolment, code)

    def _enrol(self, user: User, enrolment: str, code: str, *, only_first: bool = False) -> EnrolledFactor:
        refuse_locked(user)
        seed, begun = self._opened_enrolment(user, enrolment)
        # Counted apart: it tells nothing about the factors that the user has, and must not use up their attempts.
        attempt = self._acquire(user.id, _ENROLMENT)
        if not attempt.allowed:
            raise AccountLocked(_TOO_MANY, retry_after=attempt.retry_after)
        step = self._matching_step(seed, code, after=None)
        if step is None:
            raise InvalidCode(_WRONG_CODE)
        factor_id = begun["id"]
        factor = self._storage.add_factor(
            NewFactor(
                user_id=user.id,
                id=factor_id,
                secret=self._box.seal(seed, associated=totp.associated(user.id, factor_id)),
                name=begun["name"],
                last_step=step,
            ),
            session_epoch=user.session_epoch,
            only_first=only_first,
        )
        self._clear(user.id, _ENROLMENT, attempt.attempt_id)
        if f"totp#{factor_id}" not in user.factors:
            now = self._clock()
            self._events.emit(SecondFactorAdded(at=now, user_id=user.id, kind="totp", factor_id=factor_id))
            self._tell(user, "second_factor_added", {"factor": factor.name})
        if "recovery" in user.factors:
            return EnrolledFactor(factor=factor)
        codes = tuple(begun["recovery"]) or self._recovery.make()
        return EnrolledFactor(factor=factor, recovery_codes=self._set_recovery_codes(user, codes))

    def use_passkeys(self, user: User, enabled: bool = True) -> tuple[str, ...]:
        """Set whether the user's passkeys count as a second factor. Require a recent sign-in before.

        Returns:
            Recovery codes, to show once, where the user had none.

        Raises:
            NotFound: ``what="passkey"``: the user has no passkey, or passkeys are not set up.
            Revoked: All the user's sessions were ended since ``user`` was read.
        """
        if enabled and (self._passkeys is None or not any(name.startswith("passkey#") for name in user.identities)):
            raise NotFound("passkey", "the user has no passkey; add one first")
        changed = self._storage.use_passkeys_as_factor(user.id, enabled, session_epoch=user.session_epoch)
        if changed and enabled:
            self._events.emit(SecondFactorAdded(at=self._clock(), user_id=user.id, kind="passkey"))
            self._tell(user, "second_factor_added", {"factor": FACTOR_NAMES["passkey"]})
        elif changed:
            self._removed(user, "passkey")
        # They are also due after a call that set it, but whose answer was lost.
        due = enabled and (changed or "passkey" in user.factors) and "recovery" not in user.factors
        return self._set_recovery_codes(user, self._recovery.make()) if due else ()

    def make_recovery_codes(self, user: User, *, tell: bool = True) -> tuple[str, ...]:
        """Make ten recovery codes in place of earlier ones. Show them once: they are not stored.

        Args:
            user: As read by the session check.
            tell: Whether the owner is mailed.

        Raises:
            Revoked: All the user's sessions were ended since ``user`` was read.
        """
        codes = self._set_recovery_codes(user, self._recovery.make())
        if tell:
            self._tell(user, "recovery_codes_replaced", {})
        return codes

    def _set_recovery_codes(self, user: User, codes: tuple[str, ...]) -> tuple[str, ...]:
        marks = [self._recovery.mark(user.id, code) for code in codes]
        self._storage.set_recovery_codes(user.id, marks, session_epoch=user.session_epoch)
        self._events.emit(RecoveryCodesReplaced(at=self._clock(), user_id=user.id))
        return codes

    # Removing

    def remove(self, user: User, factor_id: str) -> bool:
        """Remove an authenticator app, ``"recovery"`` codes, or ``"passkey"``. Require a second factor before.

        Returns:
            Whether the user had it.

        Raises:
            Revoked: All the user's sessions were ended since ``user`` was read.
        """
        gone = self._storage.remove_factor(user.id, factor_id, session_epoch=user.session_epoch)
        if gone:
            kind = factor_kind(factor_id)
            self._removed(user, kind, factor_id if kind == "totp" else None)
        return gone

    def _removed(self, user: User, kind: FactorKind, factor_id: str | None = None) -> None:
        now = self._clock()
        self._events.emit(SecondFactorRemoved(at=now, user_id=user.id, kind=kind, factor_id=factor_id))
        self._tell(user, "second_factor_removed", {"factor": FACTOR_NAMES[kind]})

    # Signing in

    def check(self, challenge: str) -> SecondFactorChallenge | None:
        """Return what a challenge asks for, without using it up; ``None`` if it is not valid. One request."""
        token = self._challenges.token_of(challenge)
        found = None if token is None else self._storage.check_token(token, purpose=SECOND_FACTOR)
        if found is None or found.user is None:
            return None
        user = found.user
        return SecondFactorChallenge(
            user=user, token=challenge, expires_at=found.token.expires_at, enrolment=not is_enrolled(user)
        )

    def complete(
        self, challenge: str, code: str, *, factor_id: str | None = None, browser: Browser = Browser()
    ) -> SignedIn:
        """Give the second factor, and sign in: a code of an authenticator app, or a recovery code.

        The attempt is counted before the code is looked at, over all second factors of the user and all routes. A wrong
        code does not use up the challenge. Four rounds of requests with ``factor_id``: (count the attempt, read the
        challenge, read the factor), accept the code, use up the challenge, (store the session, clear the count).

        Args:
            challenge: ``SecondFactorChallenge.token``.
            code: Six digits, or a recovery code; spaces and hyphens do not matter.
            factor_id: The app that the code is from. If left out, each of the user's apps is tried; one more request.
            browser: Where the request comes from.

        Returns:
            The user and a new session with its token.

        Raises:
            InvalidCode: The code is wrong or was used. Try again with the same challenge.
            InvalidToken: The challenge is not valid. The person must sign in again.
            AccountLocked: Too many wrong codes (``retry_after``), or locked by an administrator.
        """
        token = self._token(challenge)
        parsed = parse_one_time_token(token)
        if parsed is None or not parsed.user_id:
            raise InvalidToken(_NO_CHALLENGE)
        user_id = parsed.user_id
        named = "recovery" if self._recovery.candidates(user_id, code) else factor_id
        attempt, (found, factors) = both(
            lambda: self._acquire(user_id, SECOND_FACTOR), lambda: self._read(token, user_id, named)
        )
        user = self._challenged(found)
        if not attempt.allowed:
            attempt = self._known_device(attempt, user, browser, found)
        if named is None:
            factors = self._storage.list_factors_for_user(user_id, user=user)
        accept = self._matching_factor(user, factors, code)
        # One after the other: of a form sent twice, one could otherwise get the code and the other the challenge.
        if accept is None or not accept():
            self._failed(user, browser, found)
            raise InvalidCode(_WRONG_CODE)
        # The session is bound to the user as read when the challenge was used up.
        return self._begin_session(self._used_up(token), browser, "otp", attempt.attempt_id)

    def begin_passkey(self, challenge: str) -> dict[str, Any]:
        """Return options for ``navigator.credentials.get``, to give a passkey as the second factor.

        Raises:
            InvalidToken: The challenge is not valid.
            ConfigurationError: Passkeys are not set up.
        """
        found = self._challenged(self._storage.check_token(self._token(challenge), purpose=SECOND_FACTOR))
        return self._passkey_service().begin_sign_in(user=found)

    def complete_with_passkey(
        self, challenge: str, answer: Mapping[str, Any], *, browser: Browser = Browser()
    ) -> SignedIn:
        """Give a passkey as the second factor, and sign in.

        Args:
            challenge: ``SecondFactorChallenge.token``.
            answer: ``credential.toJSON()``.
            browser: Where the request comes from.

        Raises:
            InvalidToken: The challenge is not valid.
            PasskeyError: The passkey was not accepted.
            InvalidCode: It is not a passkey of this user, or passkeys are not a second factor of the user.
        """
        token = self._token(challenge)
        found = self._storage.check_token(token, purpose=SECOND_FACTOR)
        user = self._challenged(found)
        if "passkey" not in factor_kinds(user):
            raise InvalidCode("passkeys are not a second factor of this user")
        # The possession of a passkey that was the first factor is not another factor; a PIN or a fingerprint is.
        twice = found is not None and _began(found)[0] == "passkey"
        try:
            self._passkey_service().verify(answer, user=user, user_verified=twice)
        except (PasskeyError, ClonedAuthenticator):
            self._failed(user, browser, found)
            raise
        return self._begin_session(self._used_up(token), browser, "pop")

    def complete_by_enrolling(
        self, challenge: str, enrolment: str, code: str, *, browser: Browser = Browser()
    ) -> tuple[SignedIn, EnrolledFactor]:
        """Set up the first second factor where one is required, and sign in.

        Args:
            challenge: ``SecondFactorChallenge.token`` with ``enrolment`` set.
            enrolment: ``TotpEnrolment.token``, from :meth:`begin_enrolment` for the challenge's user.
            code: What the app shows.
            browser: Where the request comes from.

        Raises:
            As :meth:`complete` and :meth:`complete_enrolment`. InvalidToken: also if the user has a second factor.
        """
        token = self._token(challenge)
        found = self._storage.check_token(token, purpose=SECOND_FACTOR)
        user = self._challenged(found)
        # A user who has a second factor must give it: setting up another would bypass it.
        if is_enrolled(user):
            raise InvalidToken(_NO_CHALLENGE)
        try:
            enrolled = self._enrol(user, enrolment, code, only_first=True)
        except VersionConflict:
            raise InvalidToken(_NO_CHALLENGE) from None
        return self._begin_session(self._used_up(token), browser, "otp"), enrolled

    # For somebody who is signed in

    def step_up(self, signed_in: SignedIn, code: str, *, browser: Browser = Browser()) -> SignedIn:
        """Check a second factor of somebody who is signed in already ("step-up"), and replace the session.

        Args:
            signed_in: As the session check returned it.
            code: Six digits, or a recovery code.
            browser: The browser that sent the request; a known one is not locked out by others' wrong codes.

        Returns:
            The user and the new session, with its token; its ``second_factor_at`` is now.

        Raises:
            InvalidCode: The code is wrong or was used.
            AccountLocked: Too many wrong codes, or locked by an administrator.
            Revoked: The session was ended meanwhile.
        """
        user, session = signed_in
        refuse_locked(user)
        attempt, factors = both(
            lambda: self._acquire(user.id, SECOND_FACTOR),
            lambda: self._storage.list_factors_for_user(user.id, user=user),
        )
        if not attempt.allowed:
            attempt = self._known_device(attempt, user, browser, None)
        accept = self._matching_factor(user, factors, code)
        if accept is None or not accept():
            self._failed(user, browser, None)
            raise InvalidCode(_WRONG_CODE)
        self._clear(user.id, SECOND_FACTOR, attempt.attempt_id)
        return self._raise(user, session, "otp")

    def step_up_with_passkey(self, signed_in: SignedIn, answer: Mapping[str, Any]) -> SignedIn:
        """Like :meth:`step_up`, with a passkey. Begin with ``torii.passkeys.begin_sign_in(user=...)``.

        Raises:
            PasskeyError: The passkey was not accepted.
            InvalidCode: Passkeys are not a second factor of the user.
            Revoked: The session was ended meanwhile.
        """
        user, session = signed_in
        if "passkey" not in factor_kinds(user):
            raise InvalidCode("passkeys are not a second factor of this user")
        twice = session.amr[:1] == amr_of("passkey")
        self._passkey_service().verify(answer, user=user, user_verified=twice)
        return self._raise(user, session, "pop")

    # Rotating the secret

    def reseal(self, user_id: str) -> int:
        """Seal the seeds of the user's authenticator apps again, under the first secret. Returns how many."""
        done = 0
        for factor in self._storage.list_factors_for_user(user_id):
            if factor.secret is not None:
                place = totp.associated(factor.user_id, factor.id)
                seed = self._open(factor.secret, place)
                done += self._storage.reseal_factor(factor, self._box.seal(seed, associated=place))
        return done

    # Within

    def _token(self, challenge: str) -> str:
        token = self._challenges.token_of(challenge)
        if token is None:
            raise InvalidToken(_NO_CHALLENGE)
        return token

    def _open(self, sealed: bytes, place: bytes) -> bytes:
        try:
            return self._box.open(sealed, associated=place)
        except ValueError as error:
            raise ConfigurationError(
                "a seed of an authenticator app cannot be opened with the configured secrets: "
                "add the one it was sealed under to secret=[new, old]"
            ) from error

    def _read(self, token: str, user_id: str, factor_id: str | None) -> tuple[VerifiedToken | None, list[Factor]]:
        if factor_id is None:
            return self._storage.check_token(token, purpose=SECOND_FACTOR), []
        found, factor = both(
            lambda: self._storage.check_token(token, purpose=SECOND_FACTOR),
            lambda: self._storage.get_factor(user_id, factor_id),
        )
        return found, [] if factor is None else [factor]

    def _challenged(self, found: VerifiedToken | None) -> User:
        if found is None or found.user is None:
            raise InvalidToken(_NO_CHALLENGE)
        refuse_locked(found.user)
        return found.user

    def _used_up(self, token: str) -> VerifiedToken:
        used = self._storage.verify_token(token, purpose=SECOND_FACTOR)
        if used is None:
            raise InvalidToken(_NO_CHALLENGE)
        return used

    def _acquire(self, user_id: str, purpose: str) -> AttemptResult:
        return self._storage.acquire_attempt("user", user_id, purpose=purpose, policy=self.policy.attempts)

    def _known_device(
        self, refused: AttemptResult, user: User, browser: Browser, found: VerifiedToken | None
    ) -> AttemptResult:
        """Count an attempt of a browser that signed the user in before, so that others cannot use up the owner's."""
        if self._devices.recognise(browser.device_token, user) is not None:
            own = self._acquire(user.id, _KNOWN_DEVICE)
            if own.allowed:
                # Not cleared after a success: others' attempts must stay counted.
                return replace(own, attempt_id="")
        self._failed(user, browser, found)
        raise AccountLocked(_TOO_MANY, retry_after=refused.retry_after)

    def _clear(self, user_id: str, purpose: str, attempt_id: str) -> None:
        self._storage.clear_attempt("user", user_id, purpose=purpose, attempt_id=attempt_id)

    def _matching_factor(self, user: User, factors: Sequence[Factor], code: str) -> Callable[[], bool] | None:
        """Return the function that accepts the code, once; ``None`` if no factor matches."""
        candidates = self._recovery.candidates(user.id, code)
        for factor in factors:
            if factor.kind == "recovery":
                for mark in factor.marks.intersection(candidates):
                    return partial(self._accept_recovery, user, mark, factor.codes_left - 1)
            elif factor.secret is not None:
                seed = self._open(factor.secret, totp.associated(user.id, factor.id))
                step = self._matching_step(seed, code, after=factor.last_step)
                if step is not None:
                    return partial(self._storage.accept_totp_step, user.id, factor.id, step)
        return None

    def _matching_step(self, seed: bytes, code: str, *, after: int | None) -> int | None:
        digits = totp.typed_digits(code, totp.DIGITS)
        return None if digits is None else totp.matching_step(seed, digits, self._clock(), after=after)

    def _accept_recovery(self, user: User, mark: str, left: int) -> bool:
        used = self._storage.use_recovery_code(user.id, mark)
        if used:
            self._events.emit(RecoveryCodeUsed(at=self._clock(), user_id=user.id, left=left))
            self._tell(user, "recovery_code_used", {"left": left})
        return used

    def _begin_session(
        self, used: VerifiedToken, browser: Browser, second_factor: str, attempt: str | None = None
    ) -> SignedIn:
        user = self._challenged(used)
        method, provider = _began(used)
        now = self._clock()

        def create() -> Session:
            return self._sessions.create(
                user, browser, method=method, second_factor_at=now, second_factor=second_factor
            )

        def clear() -> None:
            if attempt:
                self._clear(user.id, SECOND_FACTOR, attempt)

        session, _ = both(create, clear)
        self._sessions.announce(user, session, browser, method=method, provider=provider)
        return SignedIn(user, session)

    def _raise(self, user: User, session: Session, second_factor: str) -> SignedIn:
        """Replace the session with one that a second factor was given for."""
        new = self._sessions.replace(SignedIn(user, session), second_factor=second_factor)
        if new is None:
            raise Revoked("the session was ended meanwhile; sign in again")
        return SignedIn(user, new)

    def _failed(self, user: User, browser: Browser, found: VerifiedToken | None) -> None:
        method: SignInMethod = "custom"
        provider: str | None = None
        if found is not None:
            method, provider = _began(found)
        self._events.emit(
            SignInFailed(
                at=self._clock(),
                user_id=user.id,
                method=method,
                reason="second_factor",
                email=user.email,
                provider=provider,
                ip_address=browser.ip_address,
                user_agent=browser.user_agent,
            )
        )

    def _opened_enrolment(self, user: User, enrolment: str) -> tuple[bytes, dict[str, Any]]:
        try:
            sealed = base64url.decode(enrolment)
            begun = json.loads(self._box.open(sealed, associated=_enrolment_of(user.id)))
        except (ValueError, TypeError):
            raise InvalidToken(_NO_ENROLMENT) from None
        if begun["epoch"] != user.session_epoch or datetime.fromisoformat(begun["until"]) <= self._clock():
            raise InvalidToken(_NO_ENROLMENT)
        return base64url.decode(begun["seed"]), begun

    def _passkey_service(self) -> PasskeyService:
        if self._passkeys is None:
            raise ConfigurationError("passkeys are not set up: give the services passkeys=PasskeySettings(...)")
        return self._passkeys()

    def _tell(self, user: User, template: str, context: dict[str, Any]) -> None:
        if self._mail is not None:
            self._mail.notify(template, user, context)


def _enrolment_of(user_id: str) -> bytes:
    return f"enrolment#{user_id}".encode()


def _began(found: VerifiedToken) -> tuple[SignInMethod, str | None]:
    """The first factor, as stored in the challenge."""
    method, provider = found.token.metadata.get("method"), found.token.metadata.get("provider")
    known = method if method in get_args(SignInMethod) else "custom"
    return cast("SignInMethod", known), provider if isinstance(provider, str) else None
