"""PynamoDB, with models as in its documentation."""

from __future__ import annotations

import time

from common import (
    MAX_ATTEMPTS,
    PASSWORD,
    REGION,
    WINDOW,
    digest,
    identity_plain,
    login_subject,
    names,
    new_token,
    new_user_id,
    now_text,
    oauth_plain,
    session_plain,
    session_rows,
    user_plain,
    verify,
)
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.connection import Connection
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite
from worker import Contestant, main


class EmailIndex(GlobalSecondaryIndex):
    class Meta:
        index_name = "email-index"
        projection = AllProjection()

    email = UnicodeAttribute(hash_key=True)


class UserSessionsIndex(GlobalSecondaryIndex):
    class Meta:
        index_name = "user-sessions-index"
        projection = AllProjection()

    user_id = UnicodeAttribute(hash_key=True)
    expires_at = NumberAttribute(range_key=True)


class User(Model):
    class Meta:
        table_name = ""
        region = REGION
        max_pool_connections = 64

    id = UnicodeAttribute(hash_key=True)
    email = UnicodeAttribute()
    email_as_given = UnicodeAttribute()
    name = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    version = NumberAttribute()
    session_epoch = NumberAttribute()
    password_version = UnicodeAttribute(null=True)
    identities = UnicodeSetAttribute()
    schema_version = NumberAttribute()
    email_index = EmailIndex()


class Session(Model):
    class Meta:
        table_name = ""
        region = REGION
        max_pool_connections = 64

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    created_at = UnicodeAttribute()
    expires_at = NumberAttribute()
    epoch = NumberAttribute()
    user_agent = UnicodeAttribute(null=True)
    ip_address = UnicodeAttribute(null=True)
    schema_version = NumberAttribute()
    user_sessions_index = UserSessionsIndex()


class Identity(Model):
    class Meta:
        table_name = ""
        region = REGION
        max_pool_connections = 64

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    provider = UnicodeAttribute(null=True)
    subject = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute(null=True)
    password_hash = UnicodeAttribute(null=True)
    password_version = UnicodeAttribute(null=True)
    schema_version = NumberAttribute()


class Attempts(Model):
    class Meta:
        table_name = ""
        region = REGION
        max_pool_connections = 64

    subject = UnicodeAttribute(hash_key=True)
    attempt = UnicodeAttribute(range_key=True)
    attempts = NumberAttribute()
    expires_at = NumberAttribute()


class Pynamodb(Contestant):
    asynchronous = False
    flows = (
        "register",
        "sign_in",
        "sign_in_lockout",
        "user_by_email",
        "user_by_email_eventual",
        "check",
        "sign_out",
        "sign_out_everywhere_10",
        "link_oauth",
        "delete_user",
    )

    def open(self, endpoint, prefix):
        self.t = names(prefix)
        self.endpoint = endpoint
        for model, table in (
            (User, "users"),
            (Session, "sessions"),
            (Identity, "identities"),
            (Attempts, "login_attempts"),
        ):
            model.Meta.table_name = self.t[table]
            model.Meta.host = endpoint
        self.connection = Connection(region=REGION, host=endpoint, max_pool_connections=64)

    def close(self):
        """Nothing to close."""

    def session_rows(self, user, count):
        return session_rows(self.t["sessions"], user.id, count)

    def register(self, email):
        plain = user_plain(new_user_id(), email)
        user = User(**plain)
        with TransactWrite(connection=self.connection) as transaction:
            transaction.save(user, condition=User.id.does_not_exist())
            transaction.save(Identity(**identity_plain(plain, email)), condition=Identity.id.does_not_exist())
        return user

    def user_by_email(self, email):
        try:
            return User.get(Identity.get(f"email#{email}", consistent_read=True).user_id, consistent_read=True)
        except (Identity.DoesNotExist, User.DoesNotExist):
            return None

    def user_by_email_eventual(self, email):
        return next(iter(User.email_index.query(email)), None)

    def sign_in(self, email):
        identity = Identity.get(f"email#{email}", consistent_read=True)
        assert verify(identity.password_hash, PASSWORD)
        user = User.get(identity.user_id, consistent_read=True)
        assert user.password_version == identity.password_version
        token = new_token()
        Session(**session_plain(user.id, token)).save()
        return user, token

    def sign_in_lockout(self, email):
        row, now = Attempts(login_subject(email), "#register"), int(time.time())
        row.update(
            actions=[Attempts.attempts.add(1), Attempts.expires_at.set(now + WINDOW)],
            condition=Attempts.attempts.does_not_exist()
            | (Attempts.attempts < MAX_ATTEMPTS)
            | (Attempts.expires_at < now),
        )
        found = self.sign_in(email)
        row.delete()
        return found

    def check(self, token):
        try:
            session = Session.get(digest(token.partition(".")[2]), consistent_read=True)
            if session.expires_at <= time.time():
                return None
            return session, User.get(session.user_id, consistent_read=True)
        except (Session.DoesNotExist, User.DoesNotExist):
            return None

    def sign_out(self, token):
        Session(digest(token.partition(".")[2])).delete()

    def sign_out_everywhere(self, user):
        self.delete_sessions(user.id)

    def delete_sessions(self, user_id):
        with Session.batch_write() as batch:
            for session in Session.user_sessions_index.query(user_id):
                batch.delete(session)

    def link_oauth(self, user, subject):
        account = oauth_plain(user.id, subject)
        with TransactWrite(connection=self.connection) as transaction:
            transaction.save(Identity(**account), condition=Identity.id.does_not_exist())
            transaction.update(
                User(user.id),
                actions=[
                    User.identities.add({account["id"]}),
                    User.version.add(1),
                    User.updated_at.set(now_text()),
                ],
                condition=User.id.exists(),
            )

    def delete_user(self, given):
        user = User.get(given.id, consistent_read=True)
        with TransactWrite(connection=self.connection) as transaction:
            transaction.delete(user, condition=User.version == user.version)
            for name in user.identities:
                transaction.delete(Identity(name))
        self.delete_sessions(user.id)


if __name__ == "__main__":
    main(Pynamodb())
