#!/usr/bin/env bash
# afl.sh BUILD SECONDS [FORMAT ...]: AFL++ with the tool itself over the images of the tests: each run is
# `sowlv2 detect` with the tests' tiny model, which stays open (__AFL_LOOP in image_run.c). One fuzzer after the
# other, SECONDS each; all files of a run are in memory, its outcome is kept in BUILD/afl/FORMAT.
# Fails where something crashed, or hangs when it is run by itself.
set -eu
build=$1 seconds=$2
shift 2
formats=${*:-jpg png bmp gif tif webp avif heic}
source_dir=$(pwd)
command -v afl-fuzz >/dev/null || { echo "afl.sh: AFL++ is missing: install afl++" >&2; exit 1; }
mkdir -p "$build/afl"
build=$(cd "$build" && pwd)

# Paths are counted where untrusted bytes are read; elsewhere that only costs time.
printf 'src: *src/media/*\nsrc: *src/pipeline/inputs*.c\nsrc: *src/base/file.c\n' >"$build/afl/allowlist"
export AFL_LLVM_ALLOWLIST="$build/afl/allowlist" AFL_QUIET=1
cmake -S "$source_dir" -B "$build/afl/build" -DCMAKE_C_COMPILER=afl-clang-fast -DCMAKE_CXX_COMPILER=afl-clang-fast++ -DSOWLV2_TESTS=OFF \
  -DSOWLV2_WERROR=OFF >/dev/null
cmake --build "$build/afl/build" --target sowlv2_tool -j "${JOBS:-2}" >/dev/null

memory=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/sowlv2-afl.XXXXXX")
trap 'rm -rf "$memory"' EXIT
export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_FAST_CAL=1
export OMP_NUM_THREADS=1 LD_BIND_NOW=1
export OMP_WAIT_POLICY=passive # set, so that the tool does not start itself anew with it

detect() { # IMAGE: what AFL++ runs
  echo "$build/afl/build/sowlv2" detect --quiet --owl-model "$source_dir/tests/models/data/owlv2_tiny" \
    --sam-model none --no-overlay --prompt a --threads 1 --thread-pool-size 1 --max-pixels 65536 --allow-truncated \
    --output "$memory/results" --input "$1"
}

failed=0
for format in $formats; do
  kept="$build/afl/$format"
  work="$memory/$format"
  rm -rf "$kept" "$memory/results"
  mkdir -p "$kept" "$work/seeds" "$memory/results"
  find "$source_dir/tests/media/data" "$source_dir/tests/fuzz/corpus" -name "*.$format" -size -16k \
    -exec cp {} "$work/seeds" \;
  echo "== $format: $(find "$work/seeds" -type f | wc -l) seeds, $seconds s"
  touch "$work/input.$format" # the tool looks for it before it opens the model
  mapfile -t words < <(detect "$work/input.$format" | xargs -n 1)
  AFL_TMPDIR=$work afl-fuzz -V "$seconds" -t 5000+ -i "$work/seeds" -o "$work/out" -f "$work/input.$format" -- \
    "${words[@]}" >"$kept/log" 2>&1 || { tail -20 "$kept/log"; exit 1; }
  cp -r "$work/out" "$kept/out"
  crashes=$(find "$kept/out" -path '*/crashes/id*' | wc -l)
  hangs=0
  for file in "$kept"/out/default/hangs/id*; do # one that needs no such processor time by itself was the machine's load
    [ -e "$file" ] || continue
    mapfile -t words < <(detect "$file" | xargs -n 1)
    code=0
    (ulimit -t 5 && exec timeout 600 "${words[@]}") >/dev/null 2>&1 || code=$?
    [ "$code" -lt 124 ] || hangs=$((hangs + 1))
  done
  echo "   $(awk '/^execs_done|^execs_per_sec|^corpus_count|^bitmap_cvg/ {printf "%s %s  ", $1, $3}' \
    "$kept/out/default/fuzzer_stats")crashes $crashes  hangs $hangs"
  [ "$crashes$hangs" = 00 ] || failed=1
  rm -rf "$work"
done
exit $failed
