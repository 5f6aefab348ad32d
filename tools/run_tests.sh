#!/usr/bin/env bash
# run_tests.sh BUILD JOBS [all]: builds the variants, then runs all their tests as one ctest run.
#   release   gcc, every test at this machine's best level
#   asan      clang, AddressSanitizer and UndefinedBehaviorSanitizer
#   fuzz      clang, libFuzzer targets over their kept corpora
# With `all`: every CPU level, ThreadSanitizer, and FUZZ_SECONDS (240) of fuzzing a target: there are 21, two at a time on
# two cores. Ten minutes each are FUZZ_SECONDS=600, an hour more.
set -eu
build=$1 jobs=$2 all=${3:-}
source_dir=$(pwd)
generator="Unix Makefiles"
command -v ninja >/dev/null && generator=Ninja

variant() { # NAME FOLDER TARGET CMAKE-OPTIONS...
  local name=$1 folder=$2 target=$3
  shift 3
  echo "== building: $name"
  cmake -G "$generator" -S "$source_dir" -B "$folder" "-DSOWLV2_TEST_PREFIX=$name." "$@" >/dev/null
  cmake --build "$folder" -j "$jobs" --target "$target" -- $([ "$generator" = Ninja ] && echo --quiet || echo -s)
}

fuzz_seconds=3
# Left to check-all: what takes long under sanitizers, and whose code other tests run under them; and the longest of the
# suites that run once more through decoders of their own.
left_out='^asan\.(cli_(usage|config|segment|output|video|video_ends|killed)|demo_video|(sam2|owlv2|vjepa2).*_reference'
left_out+='|ops_narrow_.*|ops_amx_emulated|cuda_device_.*|video_(ends|formats)|hub_faults|.*_cuda_down)$'
left_out+='|^release\.video_(formats|ends)_isolated$'
levels=OFF
longest=600
if [ "$all" = all ]; then
  fuzz_seconds=${FUZZ_SECONDS:-240}
  levels=ON
  left_out='^$'
  longest=1800 # the reference set under sanitizers
fi

variant release "$build" all -DSOWLV2_ALL_LEVELS=$levels
# Kernels for GPUs are compiled once, for release: tests run the same files on the CPU.
variant asan "$build/asan" all -DSOWLV2_CUDA=OFF -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSOWLV2_SANITIZE=address,undefined -DSOWLV2_ALL_LEVELS=$levels
variant fuzz "$build/fuzz" fuzzers -DSOWLV2_CUDA=OFF -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSOWLV2_SANITIZE=address,undefined -DSOWLV2_FUZZERS=ON \
  -DSOWLV2_FUZZ_SECONDS=$fuzz_seconds
folders="$build $build/asan $build/fuzz"
if [ "$all" = all ]; then
  variant tsan "$build/tsan" all -DSOWLV2_CUDA=OFF -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSOWLV2_SANITIZE=thread
  folders="$folders $build/tsan"
fi

mkdir -p "$build/everything"
: >"$build/everything/CTestTestfile.cmake"
for folder in $folders; do
  echo "subdirs(\"$source_dir/$folder\")" >>"$build/everything/CTestTestfile.cmake"
done
cd "$build/everything"
exec ctest --output-on-failure -j "$jobs" --timeout $longest -E "$left_out"
