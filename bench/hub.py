"""Download time of `sowlv2 pull` beside plain curl, from one server on this machine, taking turns.

    python bench/hub.py [--build build] [--size 620] [--rate MB/s] [--repeats 5]

Prints medians of wall time, the least processor time of each thread, and what the tool takes where everything is there
(its start, and asking about each file). --rate 0 sends as fast as the machine can: three processors are busy then, with
serving, receiving and the hash; where fewer are free, wall time says how few rather than what the tool adds.
"""

import argparse
import hashlib
import http.server
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

COMMIT = "c2963a47b1b8a0e6c3d15dc9a4ef7f1f0e6b1a55"
SMALL = {"config.json": b'{"model_type": "owlv2"}', "preprocessor_config.json": b"{}", "tokenizer.json": b"{}"}


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        weights = name == "model.safetensors"
        if not weights and name not in SMALL:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        size = self.server.size if weights else len(SMALL[name])
        data = b"" if weights else SMALL[name]
        etag = self.server.etag if weights else hashlib.sha1(b"blob %d\0" % size + data).hexdigest()
        self.send_response(200)
        for key, value in (("Content-Length", size), ("ETag", f'"{etag}"'), ("X-Repo-Commit", COMMIT)):
            self.send_header(key, str(value))
        self.end_headers()
        if self.command == "GET" and weights:
            self.send_weights()
        elif self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET

    def send_weights(self):
        self.wfile.flush()
        start, sent, rate = time.monotonic(), 0, self.server.rate
        while sent < self.server.size:
            sent += os.sendfile(self.connection.fileno(), self.server.file.fileno(), sent, 1 << 20)
            if rate:
                time.sleep(max(0.0, sent / rate - (time.monotonic() - start)))


def thread_times(process):
    """Processor seconds of each thread so far, by its number."""
    times = {}
    for folder in Path(f"/proc/{process}/task").glob("*"):
        try:
            times[folder.name] = int((folder / "schedstat").read_text().split()[0]) / 1e9
        except (OSError, IndexError):
            pass  # it has ended
    return times


def timed(command, environment):
    """Wall time, and the processor times of the two threads that took most."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    threads = {}
    while process.poll() is None:
        threads.update(thread_times(process.pid))
        time.sleep(0.004)
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{command[0]}: exit status {process.returncode}")
    return (wall, *sorted([*threads.values(), 0, 0], reverse=True)[:2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--size", type=int, default=620, help="MB")
    parser.add_argument("--rate", type=float, default=125, help="MB/s")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    tool = str((Path(arguments.build) / "sowlv2").resolve())
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        digest = hashlib.sha256()
        with open(data, "wb") as file:
            for _ in range(arguments.size):
                piece = os.urandom(10**6)
                digest.update(piece)
                file.write(piece)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.size, server.etag, server.rate = arguments.size * 10**6, digest.hexdigest(), arguments.rate * 1e6
        server.file = open(data, "rb")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        environment = dict(os.environ, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0", no_proxy="*")
        cache, plain = Path(folder) / "cache", Path(folder) / "plain"
        pull = [tool, "pull", "org/name", "--quiet", "--cache-dir", str(cache)]
        curl = ["curl", "-s", "-o", str(plain), f"{endpoint}/org/name/resolve/main/model.safetensors"]
        times = {"curl": [], "pull": [], "again": []}
        for _ in range(arguments.repeats):
            plain.unlink(missing_ok=True)
            times["curl"].append(timed(curl, environment))
            shutil.rmtree(cache, ignore_errors=True)
            times["pull"].append(timed(pull, environment))
            times["again"].append(timed(pull, environment))
    median = {name: statistics.median(wall for wall, *_ in values) for name, values in times.items()}
    for name, value in median.items():
        least = [min(column) for column in zip(*times[name])]
        print(f"{name:6} {value:7.3f} s, least {least[0]:.3f} s; threads {least[1]:.3f} s, {least[2]:.3f} s")
    print(f"pull / curl {median['pull'] / median['curl']:.3f}, without the tool's start and questions "
          f"{(median['pull'] - median['again']) / median['curl']:.3f}")


if __name__ == "__main__":
    main()
