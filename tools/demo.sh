#!/usr/bin/env bash
# demo.sh BUILD: finds, cuts out and follows things in the samples with the demo models, compares what was found with the
# truth, makes one picture of it and says what to type next.
set -eu
build=$1
out=$build/demo
words="cat panda fox pig frog turtle penguin butterfly fish car bus bicycle airplane rocket boat banana watermelon mushroom
  guitar umbrella key apple"
rm -rf "$out"
mkdir -p "$out"
models="--owl-model demo --sam-model demo"

echo "Pictures: looking for $(echo "$words" | wc -w) things in examples/data with the demo models (models/demo)"
# shellcheck disable=SC2086
"$build/sowlv2-detect" $models --input 'examples/data/scene_*' --output "$out/pictures" --threshold 0.1 --dedupe 0.7 \
  --prompt $words
echo
echo "Videos: V-JEPA 2 looks for key frames, what is found there is followed forward and backward"
# shellcheck disable=SC2086
"$build/sowlv2-detect" $models --vjepa2-model demo --enable-vjepa2 --use-temporal-detection --temporal-merge-threshold 0.5 \
  --threshold 0.3 \
  --input 'examples/data/clip_*.mp4' --output "$out/videos" --prompt $words
echo

# The truth of the samples lies beside them. One picture of everything, good and bad: each scene, four moments of each clip.
# shellcheck disable=SC2086
"$build/tools/contact_sheet/demo_report" examples/data "$out" "$out/cells.txt" $words
mapfile -t cells <"$out/cells.txt"
"$build/tools/contact_sheet/contact_sheet" "$out/contact_sheet.png" 4 "${cells[@]}"
cat <<TEXT

All of it in one picture: $out/contact_sheet.png
The files: $out/pictures, $out/videos (results.jsonl, binary/, overlay/, video/)
With real checkpoints, fetched on first use, anything you can name can be found:
  $build/sowlv2-detect --prompt "a red bicycle" person --input YOUR_PICTURES_AND_VIDEOS --output out
TEXT
