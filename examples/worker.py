#!/usr/bin/env python3
"""The worker contract in plain Python, for agents that take their tasks by themselves.

Needs pika (`pip install pika`). Put your agent into `work`. Everything else is what keeps tasks safe:
prefetch = tasks at once, acknowledge after success, dead letters by a confirmed publish, SIGTERM
finishes what runs, GET /status tells the operator what is in flight. Not here: ending a task that
takes too long (keep to AWP_TASK_TIMEOUT yourself; `awp worker --exec` does it for you).
"""

import json
import os
import pathlib
import signal
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pika
from pika.exceptions import AMQPError

NAME = os.environ.get("AWP_POD", "python-worker")
SLOTS = int(os.environ.get("AWP_PREFETCH", "1"))
QUEUE = os.environ["AWP_QUEUE"]
DEAD_LETTER = (os.environ.get("AWP_DEAD_LETTER_EXCHANGE", ""), os.environ.get("AWP_DEAD_LETTER_ROUTING_KEY", ""))

stopping = threading.Event()
lock = threading.Lock()
counts = {"inFlight": 0, "completed": 0, "failed": 0, "busySeconds": 0.0}


def work(body: bytes, task_id: str) -> None:
    """Your agent. A task can come twice: be idempotent by its id. An exception dead-letters it."""
    time.sleep(json.loads(body)["durationSeconds"])


def log(**what):
    print(json.dumps({"worker": NAME, **what}), file=sys.stderr, flush=True)


def count(**by):
    with lock:
        for name, amount in by.items():
            counts[name] += amount


def connect(name):
    """Reads login and certificates anew: Secrets rotate under a running worker."""
    parameters = pika.URLParameters(os.environ["AWP_URI"])
    login = pathlib.Path(os.environ["AWP_CREDENTIALS_DIR"])
    username, password = ((login / file).read_text().rstrip("\r\n") for file in ("username", "password"))
    parameters.credentials = pika.PlainCredentials(username, password)
    # The operator finds a worker's tasks at the broker by this name.
    parameters.client_properties = {"connection_name": name}
    parameters.heartbeat = 20
    tls = pathlib.Path(os.environ.get("AWP_TLS_DIR", "/nowhere"))
    if os.environ["AWP_URI"].startswith("amqps:"):
        context = ssl.create_default_context(cafile=tls / "ca.crt" if (tls / "ca.crt").exists() else None)
        if (tls / "tls.crt").exists():
            context.load_cert_chain(tls / "tls.crt", tls / "tls.key")
        parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    return pika.BlockingConnection(parameters)


def dead_letter(properties, body, reason):
    """A copy with the reason. Returns when the broker has it in a queue, and raises otherwise.

    On a connection of its own: a broker short of memory blocks connections that publish, and
    acknowledgements must not wait behind that.
    """
    headers = dict(properties.headers or {})
    headers.pop("CC", None)  # would route the copy once more
    headers["awp-reason"] = reason[:1000]
    headers["awp-attempt"] = headers.get("awp-attempt", 1)
    headers["awp-original-queue"] = QUEUE
    properties.headers = headers
    properties.delivery_mode = 2
    properties.expiration = None  # would delete the copy
    properties.user_id = None  # would be checked against our login
    connection = connect(f"{NAME} dead letters")
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(*DEAD_LETTER, body, properties, mandatory=True)
    finally:
        if connection.is_open:
            connection.close()


def run(connection, channel, method, properties, body):
    """One task, on a thread of the pool."""
    task_id = properties.message_id or f"delivery {method.delivery_tag}"
    started = time.monotonic()
    try:
        try:
            work(body, task_id)
            outcome = "completed"
        except Exception as error:
            outcome = "failed"
            # The kind only: an exception's text may repeat the payload.
            while not kept_as_dead_letter(properties, body, f"the agent raised {type(error).__name__}", task_id):
                if stopping.wait(5) or not channel.is_open:
                    return  # not acknowledged: the broker delivers it again
        seconds = time.monotonic() - started
        count(**{outcome: 1}, busySeconds=seconds)
        acknowledged = acknowledge(connection, channel, method.delivery_tag)
        log(task=task_id, outcome=outcome, seconds=round(seconds, 3), acknowledged=acknowledged)
    finally:
        count(inFlight=-1)


def kept_as_dead_letter(properties, body, reason, task_id):
    try:
        dead_letter(properties, body, reason)
        return True
    except (AMQPError, OSError) as error:
        log(task=task_id, problem="not dead-lettered, the task is kept", error=repr(error))
        return False


def acknowledge(connection, channel, tag):
    """pika's connections belong to one thread: the acknowledgement is handed to it."""
    done = threading.Event()

    def ack():
        channel.basic_ack(tag)
        done.set()

    try:
        connection.add_callback_threadsafe(ack)
    except AMQPError:
        return False  # the connection is gone: the broker delivers the task again
    return done.wait(10)


def consume(pool):
    """One connection, until it is lost or the worker stops."""
    connection = connect(NAME)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=SLOTS)

    def arrived(channel, method, properties, body):
        count(inFlight=1)
        pool.submit(run, connection, channel, method, properties, body)

    channel.basic_consume(QUEUE, arrived, consumer_tag=NAME)
    log(message="taking tasks", slots=SLOTS)
    while not stopping.is_set() and channel.consumer_tags:
        connection.process_data_events(time_limit=0.5)
    if stopping.is_set():
        channel.basic_cancel(NAME)
        while counts["inFlight"]:
            connection.process_data_events(time_limit=0.1)
    connection.close()


class Status(BaseHTTPRequestHandler):
    def do_GET(self):
        with lock:
            body = dict(counts, slots=SLOTS, state="running")
        if stopping.is_set():
            body["state"] = "draining" if body["inFlight"] else "drained"
        answer = json.dumps(body).encode()
        self.send_response(200 if self.path == "/status" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def main():
    if not any(DEAD_LETTER):
        sys.exit("no place for dead letters: set AWP_DEAD_LETTER_EXCHANGE and AWP_DEAD_LETTER_ROUTING_KEY")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if address := os.environ.get("AWP_STATUS_ADDRESS"):
        host, _, port = address.rpartition(":")
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), Status)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with ThreadPoolExecutor(SLOTS) as pool:
        while not stopping.is_set():
            try:
                consume(pool)
            except (AMQPError, OSError) as error:
                log(problem="no connection, trying again", error=repr(error))
                stopping.wait(2)


if __name__ == "__main__":
    main()
