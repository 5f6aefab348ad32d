#!/usr/bin/env bash
# wheel.sh FOLDER: makes the Python wheel in FOLDER, and checks it: its size, what it holds and needs, that it imports
# and finds something in a virtual environment of its own.
set -eu
folder=${1:-dist}
root=$(cd "$(dirname "$0")/.." && pwd)
most=$((25 * 1000 * 1000))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
pip="$work/venv/bin/pip --disable-pip-version-check --quiet"
mkdir -p "$folder"
$pip wheel --no-deps --wheel-dir "$work/wheel" "$root"
wheel=$(ls "$work"/wheel/sowlv2-*-py3-none-*.whl)
size=$(stat -c %s "$wheel")
[ "$size" -le "$most" ] || { echo "wheel: $size bytes, more than $most" >&2; exit 1; }

# Ours alone: no codec, nothing that has another licence, comes along; FFmpeg and the like are looked for at run time.
mkdir "$work/in"
(cd "$work/in" && "$work/venv/bin/python" -m zipfile -e "$wheel" .)
held=$(cd "$work/in" && find . -name '*.so*' -o -path '*/bin/*' -type f | sort | tr '\n' ' ')
[ "$held" = "./sowlv2/bin/sowlv2 ./sowlv2/libsowlv2.so " ] || { echo "wheel: it holds $held" >&2; exit 1; }
if [ "$(uname -m)" = x86_64 ] && readelf -d "$work/in/sowlv2/libsowlv2.so" | grep -E 'NEEDED.*lib(av|sw|heif|de265|pango|cairo)'; then
  echo "wheel: these should be looked for at run time" >&2
  exit 1
fi
if $pip install auditwheel; then
  "$work/venv/bin/auditwheel" show "$wheel" | grep -A 3 'platform tag' | head -n 4
else
  echo "wheel: pip cannot install auditwheel: not checked by it" >&2
fi

$pip install "$wheel"
cd "$work" # not the clone
"$work/venv/bin/python" - "$root/examples/data/scene_001.jpg" <<'PYTHON'
import subprocess
import sys

import sowlv2

assert len(sowlv2.find(sys.argv[1], ["bus", "fox"], detector="demo", segmenter="demo")) == 2
code = "import time; began = time.perf_counter(); import sowlv2; print(time.perf_counter() - began)"
times = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(5)]
print(f"imports in {min(times):.3f} s (best of 5)")
PYTHON
"$work/venv/bin/sowlv2" --version
cd - >/dev/null
cp "$wheel" "$folder/"
echo "$folder/$(basename "$wheel"): $size bytes"
