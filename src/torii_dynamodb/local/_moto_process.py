"""The moto engine's process: ``python _moto_process.py PORT``; started by :mod:`torii_dynamodb.local.engines`.

A separate process keeps moto's patches, warnings and memory out of the caller's. It ends when its standard input does,
so it never outlives a caller that was killed.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback

from moto.server import ThreadedMotoServer


def main() -> None:
    # One line per request would fill the log with noise.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    ready = threading.Event()

    def end_if_not_ready(failure: threading.ExceptHookArgs) -> None:
        traceback.print_exception(failure.exc_value)
        # moto binds in a thread and waits for it forever: without this, a taken port would hang the process.
        if not ready.is_set():
            os._exit(1)

    threading.excepthook = end_if_not_ready
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
    server.start()
    ready.set()
    host, port = server.get_host_and_port()
    sys.stdout.write(f"listening on http://{host}:{port}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
