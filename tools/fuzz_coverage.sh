#!/usr/bin/env bash
# fuzz_coverage.sh BUILD [SECONDS [FUZZER...]]: how much of each parser its fuzzer reaches: lines, by clang's own counters.
# Builds the fuzzers (all, or those named) once more in BUILD/coverage, lets each try for SECONDS (20) beyond its corpus,
# prints a line a parser, and fails where one is below LEAST percent (85). What only a lack of memory reaches counts as
# lines, too.
set -eu
build=$1 seconds=${2:-20} least=${LEAST:-85}
shift $(($# < 2 ? $# : 2))
wanted=" $* "
source_dir=$(pwd)
folder=$build/coverage
generator="Unix Makefiles"
command -v ninja >/dev/null && generator=Ninja

# fuzzer | the parser's files below src/
parsers() {
  cat <<'LIST'
safetensors | weights/safetensors.c weights/safetensors_header.c weights/safetensors_tensor.c weights/json.c
config | weights/config.c weights/config_field.c
http_headers | hub/http_headers.c
image_jpeg | media/image_jpeg.c media/image_exif.c
image_png | media/image_png.c media/image_png_parts.c
image_bmp | media/image_bmp.c
image_gif | media/image_gif.c
image_tiff | media/image_tiff.c media/image_tiff_rows.c
image_webp | media/image_webp.c
image_avif | media/image_avif.c
image_heic | media/image_heif.c media/heif_hevc.c media/heif_size.c
video | video/input_end.c video/joints.c video/frame_clock.c video/shown.c
rle | masks/rle.c
hub | weights/checkpoint_files.c weights/hub_list.c weights/hub_request.c
output | output/journal.c output/claim_resume.c
tokenizer | text/tokenizer_files.c text/merges.c text/vocabulary.c text/added_tokens.c text/special_tokens.c
settings | cli/config_file.c cli/option_time.c cli/option_memory.c
prompts | cli/prompts.c
marks | cli/marks.c
url | base/url.c
LIST
}

flags="-fprofile-instr-generate -fcoverage-mapping"
cmake -G "$generator" -S "$source_dir" -B "$folder" -DSOWLV2_CUDA=OFF -DCMAKE_C_COMPILER=clang \
  -DCMAKE_CXX_COMPILER=clang++ -DSOWLV2_FUZZERS=ON "-DCMAKE_C_FLAGS=$flags" "-DCMAKE_EXE_LINKER_FLAGS=$flags" >/dev/null
targets=("${@/#/fuzz_}")
[ $# -gt 0 ] || targets=(fuzzers) # not the whole engine
cmake --build "$folder" --target "${targets[@]}" >"$folder/build.log" || { tail -n 40 "$folder/build.log"; exit 1; }

failed=0
printf '%-14s %7s %7s %8s\n' fuzzer lines reached share
while IFS='|' read -r fuzzer files; do
  fuzzer=${fuzzer// /}
  [ "$wanted" = "  " ] || [[ $wanted = *" $fuzzer "* ]] || continue
  program=$folder/tests/fuzz/fuzz_$fuzzer
  corpora=()
  for corpus in "tests/fuzz/corpus/$fuzzer" "$folder/tests/fuzz/seeds_$fuzzer"; do
    [ ! -d "$corpus" ] || corpora+=("$corpus")
  done
  mkdir -p "$folder/new_$fuzzer"
  # Grown first, then all of it once, since what is found while it tries is counted only at its end.
  "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -verbosity=0 "$folder/new_$fuzzer" "${corpora[@]}" \
    >"$folder/$fuzzer.log" 2>&1 || { tail -n 20 "$folder/$fuzzer.log"; failed=1; }
  LLVM_PROFILE_FILE=$folder/$fuzzer.raw "$program" -runs=0 -verbosity=0 "$folder/new_$fuzzer" "${corpora[@]}" \
    >>"$folder/$fuzzer.log" 2>&1 || failed=1
  llvm-profdata merge -sparse "$folder/$fuzzer.raw" -o "$folder/$fuzzer.data"
  # shellcheck disable=SC2086
  llvm-cov export -summary-only -instr-profile "$folder/$fuzzer.data" "$program" |
    python3 -c '
import json, sys
name, least, *wanted = sys.argv[1:]
files = json.load(sys.stdin)["data"][0]["files"]
found = [[file["summary"]["lines"] for file in files if file["filename"].endswith("/src/" + each)] for each in wanted]
count, covered = (sum(lines[key] for one in found for lines in one) for key in ("count", "covered"))
share = 100 * covered / max(1, count)
print("%-14s %7d %7d %7.1f%%" % (name, count, covered, share), flush=True)
missing = [each for each, one in zip(wanted, found) if not one]
if missing:
    print("%s: the fuzzer does not contain %s" % (name, " ".join(missing)), file=sys.stderr)
sys.exit(bool(missing) or share < float(least))' "$fuzzer" "$least" $files || failed=1
done < <(parsers)
exit $failed
