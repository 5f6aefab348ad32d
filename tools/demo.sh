#!/usr/bin/env bash
# demo.sh BUILD: finds things in the samples with the demo model, shows what was found and what to type next.
set -eu
build=$1
out=$build/demo
rm -rf "$out"
echo "Looking for 12 things in the pictures of examples/data with the demo model (models/demo/owlv2):"
"$build/sowlv2-detect" --owl-model demo --sam-model none --input examples/data --output "$out" --threshold 0.3 --nms 0.5 \
  --prompt cat dog horse car bus bicycle airplane rocket apple pizza guitar umbrella
echo
# One object a line; the rows are sowlv2's own, so their fields come in a known order.
sed -E 's/^\{"image":"([^"]*)".*"objects":\[(.*)\]\}$/\1 \2/; s/\{"id"/\n{"id"/g' "$out/results.jsonl" |
  sed -nE 's/^([^ {]+) *$/\1/p; s/.*"prompt":"([^"]*)","score":([0-9.]+),"box":\[([^]]*)\].*/    \1  \2  at \3/p' |
  sed -E 's/([0-9]+\.[0-9]{2})[0-9]*/\1/g'
cat <<TEXT

The pictures with boxes drawn in are in $out/overlay/merged, the rows in $out/results.jsonl.
With a real checkpoint, anything you can name can be found:
  hf download google/owlv2-base-patch16-ensemble
  $build/sowlv2-detect --prompt "a red bicycle" person --input YOUR_PICTURES --output out
TEXT
