#!/usr/bin/env bash
# gpu_check.sh pack BUILD FOLDER: gathers, where this was built, tests of ops and models, times of ops, and the libraries that
# they need.
# FOLDER/gpu_check.sh run [REPORT]: runs them on a machine with an NVIDIA GPU and its driver and nothing else; one report.
set -eu

pack() {
  build=$1 folder=$2 source=$(cd "$(dirname "$0")/.." && pwd)
  programs=(bench/bench_gpu bench/bench_gpu_models)
  for test in products convolutions attention attend elements elements_expected moves resize prompts masks narrow; do
    programs+=("tests/ops/test_ops_$test")
  done
  for test in owlv2 sam2 sam2_video sam2_tracker vjepa2 precision; do programs+=("tests/models/test_$test"); done
  rm -rf "$folder"
  mkdir -p "$folder/bin" "$folder/lib" "$folder/tests/ops" "$folder/tests/models"
  for program in "${programs[@]}"; do
    cp "$build/$program" "$folder/bin/"
    strip "$folder/bin/$(basename "$program")"
    ldd "$build/$program" | awk '$3 ~ /^\// {print $3} $1 ~ /ld-linux/ {print $1}' | xargs -I{} cp -Lu {} "$folder/lib/"
  done
  cp -r "$source/tests/ops/data" "$folder/tests/ops/"
  cp -r "$source/tests/models/data" "$folder/tests/models/"
  cp "$0" "$folder/gpu_check.sh"
  echo "$source/tests" >"$folder/tests_at"
  du -sh "$folder"
}

run() {
  here=$(cd "$(dirname "$0")" && pwd)
  report=${1:-$here/report.txt}
  tests_at=$(cat "$here/tests_at")
  if [ ! -e "$tests_at" ]; then # the tests look for their files where they were built
    mkdir -p "$(dirname "$tests_at")"
    ln -s "$here/tests" "$tests_at"
  fi
  failed=0
  loader=$(echo "$here"/lib/ld-linux-*.so.*)
  start() { # with the libraries that came along, but the driver that is here
    timeout 120 "$loader" --library-path "$here/lib:${LD_LIBRARY_PATH:-}:/usr/lib/x86_64-linux-gnu:/usr/local/nvidia/lib64:/usr/lib64" "$@"
  }
  {
    date
    nvidia-smi 2>&1 | head -n 20 || true
    export SOWLV2_TEST_DEVICE=cuda OMP_WAIT_POLICY=passive
    for test in "$here"/bin/test_*"${GPU_CHECK_ONLY:-}"*; do # a part of a name, to run some of them
      begin=$(date +%s%N)
      status=0
      log=$(start "$test" 2>&1) || status=$?
      echo "$(basename "$test"): $([ $status = 0 ] && echo passed || echo "FAILED ($status)"), $((($(date +%s%N) - begin) / 1000000)) ms"
      if [ $status != 0 ]; then
        failed=1
        grep -E "ERROR|error:|FAILED|exception|LINE|OUTSIDE" <<<"$log" | head -n 20 || true
      fi
    done
    for precision in bf16 f32; do start "$here/bin/bench_gpu" cuda $precision "${GPU_CHECK_PART:-1}" 2>&1 || failed=1; done
    [ $failed = 0 ] && echo "all passed" || echo "something FAILED"
  } | tee "$report"
  grep -q "^all passed" "$report"
}

case ${1:-} in
pack) shift; pack "$@" ;;
run) shift; run "$@" ;;
*) sed -n 2,4p "$0"; exit 2 ;;
esac
