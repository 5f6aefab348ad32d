"""The hub cache, both ways: what `sowlv2 pull` downloads is read by huggingface_hub, and the other way round.

    python tools/parity_hub.py [--build build]

Serves a small model of the tests as a hub of its own on this machine. Checks the layout by the package's own
functions, that neither side asks for content the other has brought, that absent files are known to be absent,
that the reference implementation opens what was pulled, and that both take the same locks. Ends with 1 where
anything differs.
"""

import argparse
import hashlib
import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "tests" / "models" / "data" / "owlv2_tiny"
ID = "org/name"
COMMIT = "c2963a47b1b8a0e6c3d15dc9a4ef7f1f0e6b1a55"
LEFT_OUT = {"expected.safetensors"}


class Hub(http.server.ThreadingHTTPServer):
    """Files of one model; large ones are redirected to storage, at this machine's other name."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {p.name: p.read_bytes() for p in MODEL.iterdir() if p.is_file() and p.name not in LEFT_OUT}
        self.files["pytorch_model.bin"] = b"nobody needs this"
        self.log = []
        self.pause = 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}"

    def etag(self, name):
        data = self.files[name]
        if name.endswith((".safetensors", ".bin")):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def asked(self, method):
        """Names asked for with `method` since the last call of clear()."""
        return [name for kind, name in self.log if kind == method]

    def clear(self):
        self.log.clear()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, code, headers, body=b""):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", headers.get("Content-Length", str(len(body))))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        hub = self.server
        found = re.fullmatch(rf"/{ID}/resolve/(main|{COMMIT})/(.+)", self.path)
        storage = re.fullmatch(r"/storage/(.+)", self.path)
        name = found[2] if found else storage[1] if storage else self.path
        hub.log.append((self.command, name))
        if storage:
            time.sleep(hub.pause)
            self.answer(200, {"ETag": '"of-storage"'}, hub.files[name])
        elif not found:
            self.answer(404, {"X-Error-Code": "RepoNotFound"})
        elif name not in hub.files:
            self.answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        elif name.endswith((".safetensors", ".bin")):
            place = f"http://localhost:{hub.server_port}/storage/{name}"
            self.answer(302, {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{hub.etag(name)}"',
                              "X-Linked-Size": str(len(hub.files[name])), "Location": place})
        else:
            self.answer(200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hub.etag(name)}"'}, hub.files[name])

    do_HEAD = do_GET


def check(what, good, details=""):
    print(f"{'ok  ' if good else 'FAIL'} {what}{'' if good else f': {details}'}", flush=True)
    if not good:
        check.failed += 1


check.failed = 0


def sowlv2(tool, *arguments, offline=False):
    environment = dict(os.environ, HF_HUB_OFFLINE="1" if offline else "0")
    return subprocess.run([tool, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=300)


def ours_is_read(tool, hub, cache):
    """sowlv2 pull, then huggingface_hub."""
    from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache
    from huggingface_hub.file_download import _CACHED_NO_EXIST

    run = sowlv2(tool, "pull", ID, "--cache-dir", cache)
    check("pull works", run.returncode == 0, run.stderr)
    check("pull fetches no duplicates", "pytorch_model.bin" not in hub.asked("GET"), hub.log)
    folder = Path(run.stdout.strip())
    check("snapshot_download finds it", Path(snapshot_download(ID, cache_dir=cache, local_files_only=True)) == folder)
    wanted = sorted(p.name for p in folder.iterdir())
    for name in wanted:
        path = Path(hf_hub_download(ID, name, cache_dir=cache, local_files_only=True))
        check(f"hf_hub_download reads {name}", path.read_bytes() == hub.files[name], path)
    check("absent files are known", try_to_load_from_cache(ID, "added_tokens.json", cache_dir=cache) is _CACHED_NO_EXIST)
    info = scan_cache_dir(cache)
    check("scan_cache_dir has no warnings", not info.warnings, info.warnings)
    repository = next(iter(info.repos), None)
    check("scan_cache_dir sees the ref", repository is not None and set(repository.refs) == {"main"}, info)
    check("scan_cache_dir sees the size",
          info.size_on_disk == sum(len(hub.files[n]) for n in wanted), info.size_on_disk)
    hub.clear()
    for name in wanted:
        hf_hub_download(ID, name, cache_dir=cache)
    check("huggingface_hub fetches nothing again", not hub.asked("GET") and len(hub.asked("HEAD")) == len(wanted), hub.log)
    return folder


def reference_opens(cache):
    from transformers import AutoProcessor, Owlv2ForObjectDetection

    model = Owlv2ForObjectDetection.from_pretrained(ID, cache_dir=cache, local_files_only=True)
    processor = AutoProcessor.from_pretrained(ID, cache_dir=cache, local_files_only=True)
    check("transformers opens the model", model.config.model_type == "owlv2" and processor is not None)


def theirs_is_read(tool, hub, cache, names):
    """huggingface_hub, then sowlv2."""
    from huggingface_hub import hf_hub_download

    for name in names:
        hf_hub_download(ID, name, cache_dir=cache)
    run = sowlv2(tool, "models", "--cache-dir", cache)
    check("models lists it", re.search(rf"{ID} +main +.*detection +complete", run.stdout) is not None, run)
    hub.clear()
    run = sowlv2(tool, "tokenize", "--owl-model", ID, "--cache-dir", cache, "--offline", "a cat", offline=True)
    check("tokenize reads it offline", run.returncode == 0 and run.stdout.strip() != "", run.stderr)
    run = sowlv2(tool, "tokenize", "--owl-model", ID, "--cache-dir", cache, "a cat")
    check("a complete model is not asked for", run.returncode == 0 and not hub.log, hub.log)
    run = sowlv2(tool, "pull", ID, "--cache-dir", cache)
    check("pull fetches nothing again", run.returncode == 0 and not hub.asked("GET"), (run, hub.log))


def locks_are_shared(tool, hub, cache):
    from filelock import FileLock, Timeout
    from huggingface_hub.utils import WeakFileLock

    path = Path(cache) / ".locks" / "models--org--name" / f"{hub.etag('model.safetensors')}.lock"
    path.parent.mkdir(parents=True)
    command = [tool, "pull", ID, "--cache-dir", cache]
    with WeakFileLock(path):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        time.sleep(2)
        check("pull waits for Python", process.poll() is None and "model.safetensors" not in hub.asked("GET"))
    said = process.communicate(timeout=60)[1]
    check("and says for whom", f"being downloaded by process {os.getpid()}" in said and process.returncode == 0, said)

    hub.pause = 2.0
    other = Path(cache) / "other"
    process = subprocess.Popen([*command[:-1], other], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    path = other / path.relative_to(cache)
    hub.clear()
    while "model.safetensors" not in hub.asked("GET"):
        time.sleep(0.01)
    try:
        with FileLock(path, timeout=0.1):
            check("Python waits for pull", False, "it got the lock")
    except Timeout:
        check("Python waits for pull", True)
    check("and pull ends well", process.wait(timeout=60) == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    arguments = parser.parse_args()
    tool = str((Path(arguments.build) / "sowlv2").resolve())
    for name in [n for n in os.environ if n.startswith(("HF_", "HUGGING")) or n.lower().endswith("_proxy")]:
        del os.environ[name]
    hub = Hub()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HF_ENDPOINT=hub.endpoint, HF_HOME=f"{folder}/home", HF_HUB_DISABLE_PROGRESS_BARS="1",
                          HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_UPDATE_CHECK="1")
        try:
            import huggingface_hub  # noqa: F401: after the environment, which it reads once
        except ImportError:
            sys.exit("parity_hub: huggingface_hub is missing: install requirements-reference.txt")
        pulled = ours_is_read(tool, hub, f"{folder}/ours")
        names = sorted(p.name for p in pulled.iterdir())
        theirs_is_read(tool, hub, f"{folder}/theirs", names)
        locks_are_shared(tool, hub, f"{folder}/locks")
        reference_opens(f"{folder}/ours")
    print(f"{check.failed} of the hub's checks failed" if check.failed else "the hub's cache is one, both ways")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
