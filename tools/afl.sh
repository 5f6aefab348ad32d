#!/usr/bin/env bash
# afl.sh BUILD SECONDS [FORMAT ...]: AFL++ with the tool itself over the images of the tests: each run is
# `sowlv2 detect` with the tests' tiny model. One fuzzer after the other, SECONDS each; findings stay in BUILD/afl.
# Fails where something crashed or hung.
set -eu
build=$1 seconds=$2
shift 2
formats=${*:-jpg png bmp gif tif webp avif heic}
source_dir=$(pwd)
command -v afl-fuzz >/dev/null || { echo "afl.sh: AFL++ is missing: install afl++" >&2; exit 1; }
cmake -S "$source_dir" -B "$build/afl/build" -DCMAKE_C_COMPILER=afl-clang-fast -DSOWLV2_TESTS=OFF >/dev/null
cmake --build "$build/afl/build" --target sowlv2_tool -j "${JOBS:-2}" >/dev/null

export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_FAST_CAL=1
export OMP_NUM_THREADS=1 SOWLV2_CPU=reference
failed=0
for format in $formats; do
  work="$build/afl/$format"
  rm -rf "$work"
  mkdir -p "$work/seeds" "$work/results"
  # A few small ones: each run of the tool takes a tenth of a second, and AFL++ tries each seed several times first.
  find "$source_dir/tests/media/data" "$source_dir/tests/fuzz/corpus" -name "*.$format" -size -4k -printf '%s %p\n' |
    sort -n | awk '{print $2}' | awk 'NR % 4 == 1' | head -12 | xargs -I{} cp {} "$work/seeds"
  echo "== $format: $(find "$work/seeds" -type f | wc -l) seeds, $seconds s"
  afl-fuzz -V "$seconds" -t 20000+ -i "$work/seeds" -o "$work/out" -f "$work/input.$format" -- \
    "$build/afl/build/sowlv2" detect --quiet --owl-model "$source_dir/tests/models/data/owlv2_tiny" --sam-model none \
    --no-overlay --prompt a --threads 1 --thread-pool-size 1 --max-pixels 65536 --allow-truncated \
    --output "$work/results" --input "$work/input.$format" >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
  found=$(find "$work/out" \( -path '*/crashes/id*' -o -path '*/hangs/id*' \) | wc -l)
  echo "   $(awk '/^execs_done|^corpus_count|^bitmap_cvg/ {printf "%s %s  ", $1, $3}' "$work/out/default/fuzzer_stats")found $found"
  [ "$found" -eq 0 ] || failed=1
done
exit $failed
