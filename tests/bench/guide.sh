#!/usr/bin/env bash
# guide.sh BUILD SOURCE: bench/guide.py over the demo models and videos of six frames.
set -eu
. "$(dirname "$0")/common.sh"
if ! command -v ffmpeg >/dev/null; then
  echo "skipped: there is no ffmpeg"
  exit 77
fi
"$python" "$source/bench/guide.py" --build "$build" --models "$source/models/demo" --owl "$source/models/demo/owlv2" \
  --sam "$source/models/demo/sam2" --vjepa "$source/models/demo/vjepa2" --device cpu --rounds 1 --seconds 0.4 --out "$work/out" \
  >"$work/table" 2>"$work/log" || fail "it ended with $?: $(tail -n 5 "$work/log")"
"$python" - "$work/out/guide.json" <<'CHECK' || fail "guide.json is not as it should be"
import json, sys

cells = {(cell["scenario"], cell["way"]): cell for cell in json.load(open(sys.argv[1]))["cells"]}
ways = {
    "1 picture, 1 prompt": ["together"], "1 picture, 4 prompts": ["apart", "together"], "1 video": ["together", "key frames"],
    "10 pictures": ["apart", "together"], "3 videos": ["apart", "together", "key frames"],
}
assert sorted(cells) == sorted((scenario, way) for scenario in ways for way in ways[scenario]), sorted(cells)
for cell in cells.values():
    run = cell["runs"][0]
    assert run["wall"] > 0 and run["cpu"] > 0 and run["resident"] > 1 << 20, cell
for scenario in ("1 picture, 4 prompts", "10 pictures"):  # the same work, the same results
    assert cells[scenario, "apart"]["runs"][0]["objects"] == cells[scenario, "together"]["runs"][0]["objects"] > 0, scenario
CHECK
[ "$(grep -c "^| [0-9]* [pv]i" "$work/table")" = 5 ] || fail "the table has not five rows"

[ "$failures" = 0 ] && echo "bench_guide: passed"
