#!/usr/bin/env bash
# architectures.sh NVCC "ARCHITECTURES" IMAGE...: every image of kernels has code for each of them, and PTX of the first.
set -eu
cuobjdump=$(dirname "$1")/cuobjdump
architectures=$2
shift 2
if [ ! -x "$cuobjdump" ]; then
  echo "SKIP: there is no $cuobjdump"
  exit 77
fi
for image in "$@"; do
  code=$("$cuobjdump" --list-elf --list-ptx "$image")
  for architecture in $architectures; do
    grep -q "sm_$architecture\.cubin" <<<"$code" || { echo "$image has nothing for sm_$architecture"; exit 1; }
  done
  grep -q "sm_${architectures%% *}\.ptx" <<<"$code" || { echo "$image has no PTX"; exit 1; }
  echo "$(basename "$image"): sm_ $architectures"
done
