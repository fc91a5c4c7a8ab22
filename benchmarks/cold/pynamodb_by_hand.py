import hashlib
import os
import time

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.models import Model


class Session(Model):
    class Meta:
        table_name = os.environ["PREFIX"] + "_sessions"
        region = os.environ["AWS_REGION"]
        host = os.environ["ENDPOINT"]

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    created_at = UnicodeAttribute()
    expires_at = NumberAttribute()
    epoch = NumberAttribute()
    user_agent = UnicodeAttribute(null=True)
    ip_address = UnicodeAttribute(null=True)
    schema_version = NumberAttribute()


class User(Model):
    class Meta:
        table_name = os.environ["PREFIX"] + "_users"
        region = os.environ["AWS_REGION"]
        host = os.environ["ENDPOINT"]

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


secret = os.environ["TOKEN"].partition(".")[2]
session = Session.get(hashlib.sha256(secret.encode()).hexdigest(), consistent_read=True)
assert session.expires_at > time.time()
assert User.get(session.user_id, consistent_read=True)
print("ok", flush=True)
