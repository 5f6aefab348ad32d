#!/usr/bin/env bash
# gpu_check.sh pack BUILD FOLDER: gathers, where this was built, tests of ops and models, benchmarks, and the libraries that
# they need; FOLDER.tar.xz is the same for the way.
# FOLDER/gpu_check.sh run [RESULTS]: on a machine with an NVIDIA GPU and its driver and nothing else, runs the tests, the
# benchmarks, compute-sanitizer over the small models where it is installed, and full-size models beside PyTorch where that
# and transformers are. RESULTS/report.txt and RESULTS/models.json. GPU_CHECK_COMPILE=1 times torch.compile too
# (100 s), GPU_CHECK_GRAPHS=1 ours without graphs.
set -eu

pack() {
  build=$1 folder=$2 source=$(cd "$(dirname "$0")/.." && pwd)
  programs=(bench/bench_gpu bench/bench_gpu_models)
  for test in products convolutions attention attend elements elements_expected moves resize prompts masks narrow; do
    programs+=("tests/ops/test_ops_$test")
  done
  for test in owlv2 sam2 sam2_video sam2_tracker vjepa2 precision; do programs+=("tests/models/test_$test"); done
  rm -rf "$folder"
  mkdir -p "$folder/bin" "$folder/lib/system" "$folder/tests/ops" "$folder/tests/models" "$folder/bench"
  for program in "${programs[@]}"; do
    cp "$build/$program" "$folder/bin/"
    strip "$folder/bin/$(basename "$program")"
    ldd "$build/$program" | awk '$3 ~ /^\// {print $3} $1 ~ /ld-linux/ {print $1}' | while read -r library; do
      case $(basename "$library") in # of the system: taken only where the one there is too old
      ld-linux* | libc.so* | libm.so* | libresolv.so* | libpthread.so* | libdl.so*) cp -Lu "$library" "$folder/lib/system/" ;;
      *) cp -Lu "$library" "$folder/lib/" ;;
      esac
    done
  done
  cp -r "$source/tests/ops/data" "$folder/tests/ops/"
  cp -r "$source/tests/models/data" "$source/tests/reference" "$folder/tests/models/"
  mv "$folder/tests/models/reference" "$folder/tests/"
  mkdir "$folder/tools"
  cp "$source"/tools/{fullsize,photos,parity_sam2,parity_vjepa2}.py "$folder/tools/"
  cp "$source/bench/reference_gpu.py" "$folder/bench/"
  mkdir "$folder/profile"
  cp -L "$build/bench/profile/libcuda.so.1" "$folder/profile/"
  cp "$0" "$folder/gpu_check.sh"
  echo "$source/tests" >"$folder/tests_at"
  tar -C "$(dirname "$folder")" --sort=name -cf - "$(basename "$folder")" | xz -T1 --lzma2=preset=2,dict=192MiB >"$folder.tar.xz"
  du -sh "$folder" "$folder.tar.xz"
}

run() {
  here=$(cd "$(dirname "$0")" && pwd)
  results=${1:-$here}
  tests_at=$(cat "$here/tests_at")
  mkdir -p "$results"
  if [ ! -e "$tests_at" ]; then # the tests look for their files where they were built
    mkdir -p "$(dirname "$tests_at")"
    ln -s "$here/tests" "$tests_at"
  fi
  failed=0
  before=(env "LD_LIBRARY_PATH=$here/lib:${LD_LIBRARY_PATH:-}") # the driver is what is here, in any case
  if "${before[@]}" "$here/bin/bench_gpu" 2>&1 | grep -qE "GLIBC|cannot open shared"; then
    before=("$(echo "$here"/lib/system/ld-linux-*.so.*)" --library-path
      "$here/lib:$here/lib/system:${LD_LIBRARY_PATH:-}:/usr/lib/x86_64-linux-gnu:/usr/local/nvidia/lib64:/usr/lib64")
  fi
  start() { timeout 120 "${before[@]}" "$@"; }
  {
    date
    nvidia-smi 2>&1 | head -n 20 || true
    export OMP_WAIT_POLICY=passive
    for test in "$here"/bin/test_*"${GPU_CHECK_ONLY:-}"*; do # a part of a name, to run some of them
      begin=$(date +%s%N)
      status=0
      log=$(SOWLV2_TEST_DEVICE=cuda start "$test" 2>&1) || status=$?
      echo "$(basename "$test"): $([ $status = 0 ] && echo passed || echo "FAILED ($status)"), $((($(date +%s%N) - begin) / 1000000)) ms"
      grep -E ", bound" <<<"$log" || true
      if [ $status != 0 ]; then
        failed=1
        grep -E "ERROR|error:|FAILED|exception|LINE" <<<"$log" | head -n 20 || true
      fi
    done
    if command -v compute-sanitizer >/dev/null; then
      for check in "racecheck test_ops_narrow" "memcheck test_owlv2" "memcheck test_sam2" "memcheck test_vjepa2"; do
        log=$(SOWLV2_TEST_DEVICE=cuda timeout 60 "${before[@]}" compute-sanitizer --tool ${check% *} "$here/bin/${check#* }" 2>&1) || true
        echo "$check: $(grep -E "ERROR SUMMARY|RACECHECK SUMMARY" <<<"$log" || echo "no result within 60 s")"
        if grep -E "SUMMARY" <<<"$log" | grep -qvE ": 0 (errors|hazards)"; then
          failed=1
          grep -E "=========" <<<"$log" | head -n 12
        fi
      done
    else
      echo "compute-sanitizer is not installed: not run"
    fi
    for precision in bf16 f32; do start "$here/bin/bench_gpu" cuda $precision "${GPU_CHECK_PART:-1}" 2>&1 || failed=1; done
    if python3 -c "import torch, transformers" 2>/dev/null; then
      python3 "$here/bench/reference_gpu.py" "$here/bin/bench_gpu_models" --start "${before[*]}" --work "$results/models" \
        --json "$results/models.json" ${GPU_CHECK_COMPILE:+--compile} \
        ${GPU_CHECK_GRAPHS:+--graphs} 2>"$results/models.log" || failed=1
      local work=$results/models profiled=("${before[@]/$here\/lib:/$here/profile:$here/lib:}")
      for row in "$work/owlv2-base - - 20 owlv2_1_prompt" "- $work/sam2_video_small - 20 sam2_image_1" \
        "- $work/sam2_video_small - 20 sam2_decode_64" "- $work/sam2_video_small - 10 sam2_track_16" \
        "- - $work/vjepa2-large 20 vjepa2_16"; do
        echo "kernels of ${row##* }"
        SOWLV2_CUDA_GRAPHS=off timeout 60 "${profiled[@]}" "$here/bin/bench_gpu_models" cuda bf16 $row 2>&1 || failed=1
      done
    else
      echo "PyTorch or transformers is not installed: no full-size models"
    fi
    [ $failed = 0 ] && echo "all passed" || echo "something FAILED"
  } | tee "$results/report.txt"
  grep -q "^all passed" "$results/report.txt"
}

case ${1:-} in
pack) shift; pack "$@" ;;
run) shift; run "$@" ;;
*) sed -n 2,7p "$0"; exit 2 ;;
esac
