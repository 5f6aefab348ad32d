#!/usr/bin/env bash
# demo.sh BUILD: finds, cuts out and follows things in the samples with the demo models, shows what was found, makes one
# picture of it and says what to type next.
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

# The rows are sowlv2's own, so their fields come in a known order.
printf '%-14s %-12s %6s  %-28s %9s\n' picture thing score box 'mask'
sed -E 's/^\{"image":"([^"]*)".*"objects":\[(.*)\]\}$/\1 \2/; s/\{"id"/\n{"id"/g' "$out/pictures/results.jsonl" |
  awk '/^[^{ ]/ {name = $1; next}
    match($0, /"prompt":"[^"]*"/) {thing = substr($0, RSTART + 10, RLENGTH - 11)
      match($0, /"score":[0-9.]+/); score = substr($0, RSTART + 8, RLENGTH - 8)
      match($0, /"box":\[[^]]*\]/); split(substr($0, RSTART + 7, RLENGTH - 8), side, ",")
      match($0, /"area":[0-9]+/); area = substr($0, RSTART + 7, RLENGTH - 7)
      printf "%-14s %-12s %6.2f  %6.1f %6.1f %6.1f %6.1f  %6d px\n", name, thing, score, side[1], side[2], side[3], side[4], area}'
echo
printf '%-14s %-4s %-12s %6s  %s\n' video id thing score 'seen on frames'
for rows in "$out"/videos/*/results.jsonl; do
  sed -E 's/\{"id"/\n{"id"/g' "$rows" |
    awk -v name="$(basename "$(dirname "$rows")")" '
      match($0, /"frame":[0-9]+/) {frame = substr($0, RSTART + 8, RLENGTH - 8)}
      match($0, /^\{"id":[0-9]+/) {id = substr($0, RSTART + 6, RLENGTH - 6)
        match($0, /"prompt":"[^"]*"/); thing[id] = substr($0, RSTART + 10, RLENGTH - 11)
        match($0, /"score":[0-9.]+/); score[id] = substr($0, RSTART + 8, RLENGTH - 8)
        if ($0 !~ /"box":null/) {if (!(id in first)) first[id] = frame; last[id] = frame; seen[id]++}
        if (id > most) most = id}
      END {for (id = 1; id <= most; id++) if (id in first)
        printf "%-14s %-4d %-12s %6.2f  %d of %d to %d\n", name, id, thing[id], score[id], seen[id], first[id], last[id]}'
done

# One picture of everything: each scene, and six moments of each clip.
set --
for picture in "$out"/pictures/overlay/merged/*.png; do
  name=$(basename "$picture" _merged_overlay.png)
  set -- "$@" "$picture=$name"
done
for clip in "$out"/videos/*/; do
  frames=("$clip"overlay/merged/*.png)
  for part in 0 1 2 3; do
    frame=${frames[$((part * (${#frames[@]} - 1) / 3))]}
    set -- "$@" "$frame=$(basename "$clip"), frame $(basename "$frame" _merged_overlay.png | sed 's/^0*//')"
  done
done
"$build/tools/contact_sheet/contact_sheet" "$out/contact_sheet.png" 4 "$@"
cat <<TEXT

All of it in one picture: $out/contact_sheet.png
The files: $out/pictures, $out/videos (results.jsonl, binary/, overlay/, video/)
With real checkpoints, fetched on first use, anything you can name can be found:
  $build/sowlv2-detect --prompt "a red bicycle" person --input YOUR_PICTURES_AND_VIDEOS --output out
TEXT
