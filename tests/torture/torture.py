#!/usr/bin/env python3
"""Attacks the tool as its users' machines do, and prints what it withstood: tries, survived, failed.

    torture.py --tool build/sowlv2 --faults build/tests/torture/libfaults.so --examples examples/data [--short]

Exit status 1 where anything failed that is not known. All choices come from --seed, which is printed.
"""
import argparse
import collections
import concurrent.futures
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import attacks
import work as works


class Campaign:
    """Runs attacks beside each other and counts what came of them."""

    def __init__(self, options, root):
        self.options, self.root = options, root
        self.lock = threading.Lock()
        self.rows = collections.OrderedDict()
        self.wrong = []
        self.known = collections.Counter()
        self.number = 0

    def folder(self):
        """A new one that is not there yet."""
        with self.lock:
            self.number += 1
            return os.path.join(self.root, f"out{self.number}")

    def attempt(self, row, name, function):
        output = self.folder()
        try:
            what = function(output)
        except works.Wrong as error:
            what = "failed"
            with self.lock:
                self.wrong.append(f"{row}: {name}: {error}")
                print(f"FAILED {row}: {name}: {error}", flush=True)
        finally:
            shutil.rmtree(output, ignore_errors=True)
        with self.lock:
            self.rows[row][what] += 1

    def run(self, row, tries):
        """Tries are (name, function of an output folder that says what came of it)."""
        self.rows[row] = collections.Counter()
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for future in [pool.submit(self.attempt, row, name, function) for name, function in tries]:
                future.result()
        self.rows[row]["seconds"] = round(time.monotonic() - began)
        print(f"  {row}: {len(tries)} tries, {self.rows[row]['seconds']} s", flush=True)

    def table(self):
        columns = ("tries", "survived", "all done", "said so", "known", "failed")
        lines = [f"| {'attack':46} | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
        total = collections.Counter()
        for row, count in self.rows.items():
            values = {"all done": count["done"], "said so": count["said"], "known": count["known"],
                      "failed": count["failed"], "survived": count["done"] + count["said"]}
            values["tries"] = values["survived"] + values["known"] + values["failed"]
            total.update(values)
            lines.append(f"| {row:46} | " + " | ".join(f"{values[column]:{len(column)}}" for column in columns) + " |")
        lines.append(f"| {'together':46} | " + " | ".join(f"{total[column]:{len(column)}}" for column in columns) + " |")
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--faults", required=True)
    parser.add_argument("--examples", required=True)
    parser.add_argument("--short", action="store_true", help="the part that belongs to the tests")
    parser.add_argument("--only", help="attacks whose name begins so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if not shutil.which("ffmpeg"):
        print("skipped: it needs the program ffmpeg")
        return 77
    for name in ("tool", "faults", "examples"):
        setattr(options, name, os.path.abspath(getattr(options, name)))
    options.seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {options.seed}, {options.jobs} jobs", flush=True)
    root = tempfile.mkdtemp(prefix="sowlv2-torture-")
    os.chmod(root, 0o777)  # one attack is an ordinary user's
    try:
        campaign = Campaign(options, root)
        attacks.run_all(campaign, works.prepare(root, options.examples), random.Random(options.seed))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print()
    print(campaign.table())
    if campaign.known:
        print("known: " + ", ".join(f"{count} ended in {name}" for name, count in sorted(campaign.known.items())))
    for wrong in campaign.wrong:
        print(f"FAILED {wrong}")
    print(f"seed {options.seed}: {len(campaign.wrong)} failed")
    return 1 if campaign.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
