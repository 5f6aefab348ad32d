"""The attacks: each makes a list of tries, which a campaign runs beside each other."""
import glob
import os
import resource
import shutil
import signal
import struct
import subprocess
import time

import work as works
from work import Hung, OtherPictures, Wrong, check, check_left, check_same, kill, run, start

# More tries than this that end in a library that is known for it would be something new. Once a video is followed, every
# second allocation is one of oneDNN's, and all from there on fail without its being asked first.
KNOWN_SHARE = 0.5


def verdict(done):
    return "done" if done else "said"


# ---- kill -9 ----

def killed(tool, work, moments):
    """Killed at these moments (shares of its time), each time resumed; then left alone. No row is lost, and in the end
    nothing tells that it was killed."""
    def attack(output):
        os.makedirs(output)
        before = set()
        for number, moment in enumerate(moments):
            process = start(work.command(tool, output, resume=number > 0))
            time.sleep(moment * work.seconds)
            kill(process)
            now = check_left(output, killed=True)
            if number > 0 and work.resumes and not before <= now:
                raise Wrong(f"rows are lost: {len(before)} before, {len(now)} now: {sorted(before - now)[:3]}")
            before = now
        outcome = run(work.command(tool, output, resume=True))
        if outcome.status != 0:
            raise Wrong(f"after kill -9: exit status {outcome.status}: {outcome.text[-500:]}")
        check_left(output)
        check_same(work, output)
        return "done"
    return attack


def kills(campaign, all_works, random):
    counts = {"images": 40, "video": 25, "videos": 15, "key frames": 15, "frames": 10}
    if campaign.options.short:
        counts = {"images": 4, "video": 4, "key frames": 1, "frames": 1}
    for name, count in counts.items():
        tries = []
        for _ in range(count):
            moments = [random.uniform(0.02, 1.05) for _ in range(random.choice((1, 1, 2, 3)))]
            text = ", ".join(f"{moment:.3f}" for moment in moments)
            tries.append((f"at {text}", killed(campaign.options.tool, all_works[name], moments)))
        campaign.run(f"kill -9, resumed: {name}", tries)


# ---- decoders of their own ----

def decoders_of(process):
    """The processes that decode for it."""
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/stat", encoding="ascii", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            with open(folder + "/cmdline", "rb") as file:
                if parent == process.pid and b"--serve-as-decoder" in file.read():
                    yield int(os.path.basename(folder))
        except (OSError, ValueError, IndexError):
            pass  # it has just ended


def without_decoders(tool, work, moments):
    """With --isolate, all that decode killed at these moments: what they had in hand is named, all else is as it was, and
    resumed without that all is there."""
    def attack(output):
        os.makedirs(output)
        process = subprocess.Popen(work.command(tool, output) + ["--isolate"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"})
        began = time.monotonic()
        for moment in sorted(moments):
            time.sleep(max(0.0, began + moment * work.seconds - time.monotonic()))
            for decoder in list(decoders_of(process)):
                try:
                    os.kill(decoder, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        text = process.communicate(timeout=works.LONGEST)[1].decode(errors="replace")
        check_left(output)
        if process.returncode not in (0, 1, 4):
            raise Wrong(f"exit status {process.returncode}: {text[-500:]}")
        if process.returncode and "the process that decodes it" not in text:
            raise Wrong(f"exit status {process.returncode} without the reason: {text[-500:]}")
        if process.returncode == 0:
            check_same(work, output)
            return "done"
        outcome = run(work.command(tool, output, resume=True))
        if outcome.status != 0:
            raise Wrong(f"resumed: exit status {outcome.status}: {outcome.text[-500:]}")
        check_same(work, output, in_order=False)
        return "said"
    return attack


def decoders(campaign, all_works, random):
    for name, count in (("images", 4), ("video", 4)) if campaign.options.short else (("images", 30), ("videos", 20)):
        tries = []
        for _ in range(count):
            moments = [random.uniform(0.02, 1.05) for _ in range(random.choice((1, 2, 6)))]
            text = ", ".join(f"{moment:.3f}" for moment in moments)
            tries.append((f"at {text}", without_decoders(campaign.options.tool, all_works[name], moments)))
        campaign.run(f"decoders killed: {name}", tries)


# ---- calls that fail ----

def count_calls(campaign, work):
    output, counts = campaign.folder(), campaign.folder()
    os.makedirs(output)
    run(work.command(campaign.options.tool, output), {"LD_PRELOAD": campaign.options.faults, "FAULT_COUNTS": counts})
    with open(counts, "rb") as file:
        result = dict(zip(("memory", "large", "read", "write", "open", "change"), struct.unpack("<6q", file.read(48))))
    shutil.rmtree(output)
    os.unlink(counts)
    return result


def with_fault(campaign, work, fault, harmless=False):
    """`harmless`: it must come through."""
    def attack(output):
        os.makedirs(output)
        short = fault.startswith(("memory", "large"))
        try:
            outcome = run(work.command(campaign.options.tool, output),
                          {"LD_PRELOAD": campaign.options.faults, "FAULT": fault})
        except Hung as hung:
            if not short or "Fontconfig" not in hung.text:
                raise
            check_left(output, killed=True)
            with campaign.lock:
                campaign.known["text drawing"] += 1  # Fontconfig tries again for ever
            return "known"
        known = outcome.known() if short else None
        if known:
            check_left(output, killed=True)
        try:
            done = not known and check(work, outcome, output)
        except OtherPictures:
            if not short:
                raise
            known = "text drawing"  # which takes another font, or none, without a word
        if known:
            with campaign.lock:
                campaign.known[known] += 1
            return "known"
        if harmless and not done:
            raise Wrong(f"FAULT={fault} is no reason to fail: {outcome.text[-300:]}")
        return verdict(done)
    return attack


def spread(count, tries, random):
    """About so many numbers below `count`, a stride apart, the first at random."""
    stride = max(1, count // max(tries, 1))
    return range(random.randrange(stride), count, stride)


def faults(campaign, row, work, kind, how, count, tries, random, lasting=False, harmless=False):
    ends = ":on" if lasting else ""
    names = [f"{kind}:{how}:{number}{ends}" for number in spread(count, tries, random)]
    campaign.run(row, [(f"FAULT={name}", with_fault(campaign, work, name, harmless)) for name in names])


def memory(campaign, all_works, random):
    short = campaign.options.short
    # Of videos in the whole campaign alone: which allocation has a number depends on threads, so that a failure cannot be
    # repeated by its number. test_video_memory lets those of reading films fail in turn.
    for name in ("image",) if short else ("image", "video", "key frames", "frames"):
        work, counts = all_works[name], count_calls(campaign, all_works[name])
        for kind, how, lasting, tries in (("memory", "an allocation fails", False, 6 if short else 50),
                                          ("memory", "all from one on fail", True, 2 if short else 15),
                                          ("large", "a large allocation fails", False, 4 if short else 20),
                                          ("large", "large ones from one on fail", True, 3 if short else 15)):
            row = f"{how}: {name}"
            faults(campaign, row, work, kind, "none", counts[kind], tries, random, lasting)
            count = campaign.rows[row]
            if count["known"] > 1 + KNOWN_SHARE * sum(count[what] for what in ("done", "said", "known", "failed")):
                campaign.wrong.append(f"{row}: {count['known']} ended in libraries that are known for it: too many")


def files(campaign, all_works, random):
    short = campaign.options.short
    for name in ("image", "video") if short else ("images", "video", "key frames", "frames"):
        work, counts = all_works[name], count_calls(campaign, all_works[name])
        tries = 3 if short else 10
        for kind, how, lasting, harmless in (
                ("write", "short", False, True), ("write", "EINTR", False, True), ("write", "ENOSPC", True, False),
                ("write", "EIO", False, False), ("read", "short", False, False), ("read", "EINTR", False, False),
                ("read", "EIO", False, False), ("open", "EMFILE", False, False), ("open", "EACCES", False, False),
                ("change", "EIO", False, False), ("change", "ENOSPC", True, False)):
            row = f"{how}{' from then on' if lasting else ''}, a {kind}: {name}"
            faults(campaign, row, work, kind, how, counts[kind], tries, random, lasting, harmless)


# ---- limits ----

NOBODY = 65534


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def nobody_can_run(tool):
    """The limit of processes does not hold for root, and another user may not get to the tool."""
    if os.getuid() != 0:
        return False
    try:
        return run([tool, "--version"], prepare=become_nobody).status == 0
    except OSError:
        return False


def limited(campaign, work, limit, value, nobody=False):
    def prepare():
        if nobody:
            become_nobody()
        resource.setrlimit(limit, (value, value))

    def attack(output):
        os.makedirs(output)
        os.chmod(output, 0o777)
        return verdict(check(work, run(work.command(campaign.options.tool, output), prepare=prepare), output))
    return attack


def limits(campaign, all_works, _random):
    short = campaign.options.short
    for name, least, most, tries in (("image", 250000, 800000, 4 if short else 40),
                                     ("video", 350000, 1100000, 2 if short else 25)):
        work = all_works[name]
        sizes = [least + (most - least) * number // tries for number in range(tries)]
        campaign.run(f"ulimit -v: {name}",
                     [(f"{size} kB", limited(campaign, work, resource.RLIMIT_AS, size * 1024)) for size in sizes])
        counts = range(4, 40, 12 if short else 2)
        campaign.run(f"ulimit -n: {name}",
                     [(f"{count} files", limited(campaign, work, resource.RLIMIT_NOFILE, count)) for count in counts])
        sizes = (100, 5000) if short else (0, 100, 600, 2000, 5000, 12000, 30000, 100000)
        campaign.run(f"ulimit -f: {name}",
                     [(f"{size} bytes", limited(campaign, work, resource.RLIMIT_FSIZE, size)) for size in sizes])
        if nobody_can_run(campaign.options.tool):
            counts = (2, 5) if short else range(1, 17)
            campaign.run(f"ulimit -u: {name}",
                         [(f"{count} processes", limited(campaign, work, resource.RLIMIT_NPROC, count, nobody=True))
                          for count in counts])


# ---- two at once ----

def two(campaign, first, second, moment):
    """One of them is refused at once, or comes after the other; the results are one's, whole."""
    def attack(output):
        tool = campaign.options.tool
        process = subprocess.Popen(first.command(tool, output), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        time.sleep(moment * first.seconds)
        outcome = run(second.command(tool, output))
        status = process.wait()
        check_left(output)
        if {status, outcome.status} - {0, 2} or status == outcome.status == 2:
            raise Wrong(f"exit statuses {status} and {outcome.status}: {outcome.text[-300:]}")
        if outcome.status == 2 and "another run of sowlv2" not in outcome.text:
            raise Wrong(f"not a word of the other run: {outcome.text[-300:]}")
        check_same(first if outcome.status == 2 else second, output)
        return verdict(outcome.status == status == 0)
    return attack


def pairs(campaign, all_works, random):
    tries = []
    for number in range(2 if campaign.options.short else 16):
        names = random.choice((("images", "images"), ("video", "video"), ("images", "video"), ("video", "image")))
        moment = random.uniform(0, 1.1) if number else 0
        tries.append((f"{names[0]}, then {names[1]} at {moment:.3f}",
                      two(campaign, all_works[names[0]], all_works[names[1]], moment)))
    campaign.run("two runs into one folder", tries)


# ---- a long film ----

def resident(process):
    try:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def long_film(campaign, _all_works, _random):
    """The memory of its second half is that of its first."""
    frames, most_more = 3000, 0.05

    def attack(output):
        film = output + ".mp4"
        clip = ["-stream_loop", "-1", "-i", os.path.join(campaign.options.examples, "clip_01.mp4")]
        works.make_film(film, clip, frames, 96)
        process = start([campaign.options.tool, "detect", *works.PROMPTS, *works.MODELS, "--threads", "1",
                         "--no-save-frames", "--output", output, "--input", film])
        seen = []
        while process.poll() is None:
            time.sleep(0.2)
            seen.append(resident(process))
        os.unlink(film)
        rows = len(works.read_rows(output))
        if process.returncode != 0 or rows != frames:
            raise Wrong(f"exit status {process.returncode}, {rows} rows")
        seen = [size for size in seen if size]
        early, late = max(seen[len(seen) // 10:len(seen) // 2]), max(seen[len(seen) // 2:])
        print(f"    {frames} frames: at most {early // 1024} MiB in the first half, {late // 1024} MiB in the second")
        if late > early * (1 + most_more):
            raise Wrong(f"memory grows: {early} kB, then {late} kB")
        check_left(output)
        return "done"
    campaign.run(f"{frames} frames, memory flat", [("the film", attack)])


def run_all(campaign, all_works, random):
    campaign.rows["undisturbed, twice"] = {"done": 0}
    for work in all_works.values():
        works.undisturbed(work, campaign.options.tool, campaign.folder())
    del campaign.rows["undisturbed, twice"]
    todo = [kills, decoders, memory, files, limits, pairs]
    if not campaign.options.short:
        todo.append(long_film)
    for attack in todo:
        if not campaign.options.only or attack.__name__.startswith(campaign.options.only):
            attack(campaign, all_works, random)
