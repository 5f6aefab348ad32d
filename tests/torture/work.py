"""What is tortured: inputs, command lines, and what their results must be like.

A result is right where it is that of an undisturbed run to the byte, or where the run said that it failed, with an exit
status of the contract, and what it has left is whole: every row is a JSON object on a line of its own, each file that
a row names is there, every picture and film under its final name can be read.
"""
import glob
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import time
import zlib

STATUSES = {0, 1, 2, 3, 4, 130}
PROMPTS = ["--prompt", "turtle", "guitar", "banana", "bus"]
MODELS = ["--owl-model", "demo", "--sam-model", "demo"]
# Messages that say a picture or film is not as it would be otherwise.
LESS = re.compile(r"Fontconfig|small built-in font|its index|plays|sound")


# Libraries that end the process where an allocation of their own fails. The tool asks ahead whether there is memory for
# them, so that a shortage does not get there (see ulimit -v); what is injected into them does.
KNOWN = {"FFmpeg": ("libav", "libsw", "libx264"), "oneDNN": ("libdnnl",),
         "text drawing": ("libpango", "libfontconfig", "libfreetype", "libharfbuzz", "libglib", "libgobject",
                          "libcairo", "libpixman"),
         "OpenMP": ("libgomp",)}


# A run takes about a second. Other tests may run beside it, and take most of the processors.
MOST_WORK, LONGEST = 30, 900


class Wrong(Exception):
    """Something that must not be."""


class OtherPictures(Wrong):
    """Nothing but drawn pictures is other than it should be, and nothing says so."""


class Work:
    """One command line, and the results of an undisturbed run of it."""

    def __init__(self, name, arguments, folder, resumes=True):
        self.name, self.arguments, self.folder, self.resumes = name, arguments, folder, resumes
        self.files, self.seconds, self.text = {}, 0.0, ""

    def command(self, tool, output, resume=False):
        arguments = [argument.replace("OUT", output) for argument in self.arguments]
        return [tool, *arguments, *(["--resume"] if resume and self.resumes else [])]


class Hung(Wrong):
    """It did not end. `text` is what it said."""

    def __init__(self, message, text):
        super().__init__(message)
        self.text = text


class Outcome:
    def __init__(self, status, text, seconds):
        self.status, self.text, self.seconds = status, text, seconds

    @property
    def crashed(self):
        return self.status < 0

    def said(self):
        lines = [line for line in self.text.splitlines() if not line.startswith("crash: ")]
        return " / ".join(lines)[-300:]

    def crash(self):
        """The library whose code crashed: the first that is neither the C library nor the shim."""
        for line in self.text.splitlines():
            match = re.match(r"crash: (\S+) (\S+)", line)
            if match and match[1] == "?" and match[2] != "(nil)" and int(match[2], 16) > 1 << 16:
                return "libdnnl, in code that it has made"  # there is no other that is in no file
            if match and not re.search(r"/lib(c|stdc\+\+|faults|pthread|gcc_s)\.so|ld-linux|\?$", match[1]):
                return os.path.basename(match[1])
        return "?"

    def known(self):
        """Whose failing allocation ended the process, where that is known and nobody outside can mend it; else None."""
        if self.status == 1 and "libgomp:" in self.text and "Out of memory" in self.text:
            return "OpenMP"
        if self.crashed:
            for name, libraries in KNOWN.items():
                if self.crash().startswith(libraries):
                    return name
        return None


def run(command, environment=None, prepare=None):
    def begin():
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_WORK, MOST_WORK + 1))
        if prepare:
            prepare()

    start = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive",
                               **(environment or {})}, preexec_fn=begin) as process:
        try:
            text = process.communicate(timeout=LONGEST)[1]
        except subprocess.TimeoutExpired:
            threads = thread_names(process)
            process.kill()
            text = process.communicate()[1].decode(errors="replace")
            raise Hung(f"did not end in {LONGEST} s: {threads}: {text[-300:]}", text) from None
    text = text.decode(errors="replace")
    if process.returncode == -signal.SIGXCPU:
        raise Hung(f"did not end in {MOST_WORK} s of computing: {text[-300:]}", text)
    return Outcome(process.returncode, text, time.monotonic() - start)


def thread_names(process):
    names = []
    for task in glob.glob(f"/proc/{process.pid}/task/*/comm"):
        try:
            with open(task, encoding="utf-8", errors="replace") as file:
                names.append(file.read().strip())
        except OSError:
            pass  # it has just ended
    return names


def start(command):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"})


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


# ---- what is there ----

def walk(output):
    """Names below the output, but for what the tool keeps for itself."""
    for folder, folders, names in os.walk(output):
        if ".sowlv2" in folders:
            folders.remove(".sowlv2")
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), output)


ANY_ORDER = ", rows in any order"


def sums(output):
    result = {}
    for name in walk(output):
        with open(os.path.join(output, name), "rb") as file:
            data = file.read()
        result[name] = hashlib.sha256(data).hexdigest()
        if name.endswith("results.jsonl"):
            result[name + ANY_ORDER] = hashlib.sha256(b"".join(sorted(data.splitlines(True)))).hexdigest()
    return result


def check_png(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise Wrong(f"{path}: no PNG")
    at, pixels, ended = 8, b"", False
    while at + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if len(data) < at + 12 + size or zlib.crc32(kind + body) != struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]:
            raise Wrong(f"{path}: a damaged PNG")
        pixels += body if kind == b"IDAT" else b""
        ended |= kind == b"IEND"
        at += 12 + size
    if not ended or at != len(data):
        raise Wrong(f"{path}: half of a PNG")
    try:
        zlib.decompress(pixels)
    except zlib.error as error:
        raise Wrong(f"{path}: {error}") from None


def check_mp4(path):
    """Boxes one behind the other, with an index; the last may be cut in a film of fragments, which plays so."""
    size = os.path.getsize(path)
    kinds = []
    with open(path, "rb") as file:
        while True:
            head = file.read(16)
            if len(head) < 8:
                break
            length, kind = struct.unpack(">I4s", head[:8])
            if length == 1:
                length = struct.unpack(">Q", head[8:16])[0]
            kinds.append(kind)
            if length < 8:
                break
            file.seek(length - len(head), 1)
            if file.tell() > size and b"moof" not in kinds:
                raise Wrong(f"{path}: a film that is cut")
    if b"moov" not in kinds or not {b"moof", b"mdat"} & set(kinds):
        raise Wrong(f"{path}: a film of {size} bytes that does not play: {kinds}")


def read_rows(folder):
    path = os.path.join(folder, "results.jsonl")
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    if data and not data.endswith(b"\n"):
        data = data[:data.rfind(b"\n") + 1]  # a kill may cut the last, which is then none
    rows = []
    for line in data.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise Wrong(f"{path}: {error}: {line[:80]!r}") from None
    return rows


def key(row):
    return (row.get("image") or row.get("video"), row.get("frame"))


def check_left(output, killed=False):
    """That what is there is whole. Returns the rows that there are."""
    keys = set()
    if not os.path.isdir(output):
        return keys
    for folder, folders, names in os.walk(output):
        if ".sowlv2" in folders:
            folders.remove(".sowlv2")
        if "results.jsonl" in names:
            path = os.path.join(folder, "results.jsonl")
            with open(path, "rb") as file:
                if not killed and (data := file.read()) and not data.endswith(b"\n"):
                    raise Wrong(f"{path}: its last row is cut")
            for row in read_rows(folder):
                keys.add((os.path.relpath(folder, output), *key(row)))
                for found in row["objects"]:
                    for name in filter(None, (found.get("mask"), found.get("crop"))):
                        if not os.path.exists(os.path.join(folder, name)):
                            raise Wrong(f"{folder}: a row names {name}, which is not there")
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".png") and not name.startswith("."):
                check_png(path)
            elif name.endswith(".mp4") and ".unfinished." not in name:
                check_mp4(path)
            elif name.endswith(".part") and not killed:
                raise Wrong(f"{path}: left behind")
    return keys


def check_same(work, output, text="", in_order=True):
    """That it is what an undisturbed run gives; what a message says is less may be other. Not `in_order`: an input failed
    and was done later, so that its row stands behind the others'."""
    there = sums(output)
    other = None
    for name in sorted(set(work.files) | set(there)):
        if work.files.get(name) == there.get(name) or (not in_order and name.endswith("results.jsonl")):
            continue
        drawn = re.search(r"(^|/)(overlay|video)/|plot\.png$", name) and name in there and name in work.files
        if drawn and LESS.search(text):
            continue
        what = "is not there" if name not in there else "should not be there" if name not in work.files else "is other"
        message = f"{name} {what}, and nothing says so: {text[-300:]}"
        if not drawn:
            raise Wrong(message)
        other = other or OtherPictures(message)
    if other:
        raise other


def check(work, outcome, output):
    """What came of a disturbed run that was not killed. Returns whether it did all."""
    if outcome.crashed:
        raise Wrong(f"signal {-outcome.status} in {outcome.crash()}: {outcome.said()}")
    check_left(output)
    if outcome.status == 127 and "shared" in outcome.text:
        return False  # the loader of programs: nothing of ours has begun
    if outcome.status not in STATUSES:
        raise Wrong(f"exit status {outcome.status}: {outcome.said()}")
    if outcome.status == 0:
        check_same(work, output, outcome.text)
        return True
    if not re.search(r"^sowlv2", outcome.text, re.M):
        raise Wrong(f"exit status {outcome.status} without a reason: {outcome.said()}")
    if re.search(r"damaged|not valid|not an? ", outcome.text):
        raise Wrong(f"a whole input is called damaged: {outcome.said()}")
    return False


# ---- the inputs ----

def make_film(path, source, frames, width, arguments=()):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, "-frames:v", str(frames), "-vf", f"scale={width}:-2",
                    "-pix_fmt", "yuv420p", "-threads", "1", *arguments, path], check=True, stdin=subprocess.DEVNULL)


def prepare(root, examples):
    """The inputs, in `root`. Returns the works by name."""
    photos, films = os.path.join(root, "photos"), os.path.join(root, "films")
    os.makedirs(photos)
    os.makedirs(films)
    for number in (1, 3, 5, 7, 8):
        name = f"scene_{number:03}." + ("png" if number == 8 else "jpg")
        shutil.copy(os.path.join(examples, name), photos)
    clip = ["-i", os.path.join(examples, "clip_01.mp4")]
    make_film(os.path.join(films, "a.mp4"), clip, 10, 160, ["-g", "4"])
    make_film(os.path.join(films, "b.mp4"), clip, 16, 192)
    one, film = os.path.join(photos, "scene_001.jpg"), os.path.join(films, "b.mp4")
    detect = ["detect", *PROMPTS, *MODELS, "--threads", "1", "--output", "OUT"]
    works = [
        Work("image", [*detect, "--input", one], root),
        Work("images", [*detect, "--crops", "--batch-size", "1", "--input", photos], root),
        Work("video", [*detect, "--input", film], root),
        Work("videos", [*detect, "--no-save-frames", "--input", films], root),
        Work("key frames", [*detect, "--enable-vjepa2", "--use-temporal-detection", "--vjepa2-model", "demo", "--input",
                            film], root),
        Work("frames", ["frames", "--vjepa2-model", "demo", "--threads", "1", "--input", film, "--save-frames",
                        "OUT/keys", "--scores", "OUT/scores.json", "--features", "OUT/features.safetensors", "--plot",
                        "OUT/plot.png"], root, resumes=False),
    ]
    return {work.name: work for work in works}


def undisturbed(work, tool, output):
    """Runs it twice: the results must be the same, or nothing could be compared."""
    for again in range(2):
        os.makedirs(output)
        outcome = run(work.command(tool, output))
        if outcome.status != 0:
            raise Wrong(f"{work.name}: undisturbed: exit status {outcome.status}: {outcome.text}")
        there = sums(output)
        if again and there != work.files:
            raise Wrong(f"{work.name}: two undisturbed runs differ: {set(there.items()) ^ set(work.files.items())}")
        work.files, work.seconds = there, outcome.seconds
        check_left(output)
        shutil.rmtree(output)
    if not work.files:
        raise Wrong(f"{work.name}: no results")
