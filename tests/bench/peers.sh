#!/usr/bin/env bash
# peers.sh BUILD SOURCE: bench/peers over the demo models.
set -eu
. "$(dirname "$0")/common.sh"
peers() {
  "$python" "$source/bench/peers" --build "$build" --owl "$source/models/demo/owlv2" --sam "$source/models/demo/sam2" \
    --vjepa "$source/models/demo/vjepa2" --cache "$work/cache" --out "$work/out" "$@" 2>"$work/log"
}

peers --only ours torch-f32 openvino-f32 --rows detect-1 images-2 encode decode-8 track-1 score-16 --rounds 2 --nouns cat dog \
  --device cpu >"$work/table" || fail "it ended with $?: $(tail -n 5 "$work/log")"
"$python" - "$work/out/peers.json" <<'CHECK' || fail "peers.json is not as it should be"
import json, sys

result = json.load(open(sys.argv[1]))
cells = {(cell["row"], cell["contender"]): cell for cell in result["cells"]}
names = ["ours-f32", "ours-bf16", "ours-int8", "torch-f32", "openvino-f32"]
assert len(result["row_names"]) == 6, result["row_names"]
for row in result["row_names"]:
    for name in names:
        cell = cells[row, name]  # a figure or a reason, never nothing and never both
        assert ("error" in cell) != ("median" in cell), cell
        if "error" in cell:
            assert cell["error"].strip(), cell
            assert name != "ours-int8" or "precision int8" in cell["error"], cell  # of a CPU without VNNI
        else:
            assert len(cell["wall"]) == len(cell["cpu"]) == 2 and min(cell["wall"]) > 0, cell
            assert cell["peak"] > 1 << 20 and cell["open_peak"] > 1 << 20, cell
    assert "median" in cells[row, "ours-f32"], cells[row, "ours-f32"]
assert "error" in cells["images-2", "openvino-f32"]  # its graph takes one image
assert result["rates"]["%d" % result["threads"][0]]["f32"] > 0
CHECK
for text in "| seconds |" "all figures" "tracked frame, 1 object" "OpenVINO f32"; do
  grep -qF -- "$text" "$work/table" || fail "the table lacks \"$text\""
done
[ -s "$work/out/peers.svg" ] || fail "no plot"

# What is asked for and not there.
if peers --rows nothing >/dev/null; then fail "a row that there is not was taken"; fi
grep -q "^nothing: none of main" "$work/log" || fail "that row is not named: $(cat "$work/log")"
if peers --only openvino-f32 --rows encode --device cuda >"$work/table"; then fail "nothing was measured, and it is happy"; fi
grep -q "OpenVINO f32, every row: " "$work/table" || fail "no reason why OpenVINO is not there"

[ "$failures" = 0 ] && echo "bench_peers: passed"
