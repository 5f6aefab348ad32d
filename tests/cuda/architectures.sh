#!/usr/bin/env bash
# architectures.sh "ARCHITECTURES" IMAGE...: every image of kernels has code for each of them, and PTX of the first.
# A fat binary: magic, version and size of the header, size of the rest; then entries, whose header holds the kind (1 PTX,
# 2 code), its own size and that of what follows, and at byte 28 the architecture.
set -eu
architectures=$1
shift
word() { od -An -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }
for image in "$@"; do
  [ "$(word "$image" 0 4)" = 3126193488 ] || { echo "$image is no fat binary"; exit 1; }
  at=$(word "$image" 6 2)
  end=$((at + $(word "$image" 8 8)))
  found=" "
  while [ "$at" -lt "$end" ]; do
    kind=$(word "$image" "$at" 2)
    found+="$kind:$(word "$image" $((at + 28)) 4) "
    at=$((at + $(word "$image" $((at + 4)) 4) + $(word "$image" $((at + 8)) 8)))
  done
  echo "$(basename "$image"):$found"
  for architecture in $architectures; do # 90a is 90 there
    [[ $found = *" 2:${architecture%a} "* ]] || { echo "$image has nothing for sm_$architecture"; exit 1; }
  done
  lowest=${architectures%% *}
  [[ $found = *" 1:${lowest%a} "* ]] || { echo "$image has no PTX"; exit 1; }
done
