"""What the tests of connections need: certificates, and a Sentinel."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis, RedisError
from tests.ports import reserved_port
from tests.valkey_server import ValkeyServer
from tools.valkey import find_valkey

__all__ = ["SERVICE", "certify", "sentinel_of"]

SERVICE = "Accounts"


def certify(folder: Path, host: str = "127.0.0.1") -> None:
    """Write ``ca.pem``, and ``cert.pem`` and ``key.pem`` of a server for one address."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)

    def made(name: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example CA")])
        built = x509.CertificateBuilder().subject_name(named).issuer_name(issuer).public_key(public)
        built = built.serial_number(x509.random_serial_number())
        return built.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))

    ca = made("example CA", ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    server = made("cache", key.public_key()).add_extension(address, False)
    for name, certificate in (("ca", ca), ("cert", server)):
        signed = certificate.sign(ca_key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@contextmanager
def sentinel_of(server: ValkeyServer, folder: Path) -> Iterator[str]:
    """Run a Sentinel that monitors a server as :data:`SERVICE`, and yield its URL."""
    binary = find_valkey()
    if binary is None:
        pytest.fail("no Valkey or Redis server is installed: run 'make setup', or set TORII_VALKEY")
    with reserved_port() as port:
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor {SERVICE} 127.0.0.1 {server.port} 1\n"
        )
        process = subprocess.Popen([str(binary), str(settings), "--sentinel"], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            with Redis(port=port) as client:
                while True:
                    try:
                        client.ping()
                        break
                    except RedisError:
                        assert time.monotonic() < deadline
                        time.sleep(0.01)
            yield f"valkey://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()
