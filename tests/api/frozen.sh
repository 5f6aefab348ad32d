#!/usr/bin/env bash
# frozen.sh SOURCE LIBRARY CC: programs of older headers (tests/api/frozen/*.h) with today's library: their structs lie
# as today's, or are the beginnings of today's, all that they call is there, and tests/api/frozen/client.c, compiled with
# each, still does what it did.
set -eu
source=$1 library=$2 cc=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0
complain() {
  echo "frozen: $1" >&2
  failures=$((failures + 1))
}

# layout HEADER OUT
layout() {
  $cc -E -P "$1" | awk -f "$source/tests/api/layout.awk" >"$folder/layout.c"
  $cc -std=c11 -DHEADER="\"$1\"" "$folder/layout.c" -o "$folder/layout"
  "$folder/layout" >"$2"
}

# compare OLD NEW: the fields of OLD are where they were; sizes stay, or grow, and what is new lies beyond the old size.
compare() {
  awk '
    FNR == NR { old[$1 == "struct" || $1 == "enum" ? $1 " " $2 : $1] = $1 == "struct" || $1 == "enum" ? $3 : $2; next }
    {
      key = $1 == "struct" || $1 == "enum" ? $1 " " $2 : $1
      value = $1 == "struct" || $1 == "enum" ? $3 : $2
      now[key] = value
      if (!(key in old)) {
        if ($1 == "struct" || $1 == "enum") next
        owner = "struct " $1
        sub(/\..*/, "", owner)
        if (owner in old && value < old[owner]) print key " is new, and lies in padding of the older struct"
        if (owner in old) added[owner] = key
      } else if ($1 == "struct" && $4 == "grows") {
        if (value < old[key]) print key " was " old[key] " bytes and is " value
      } else if (value != old[key]) print key " was " old[key] " and is " value
    }
    END { for (key in old) if (!(key in now)) print key " is gone" }' "$1" "$2"
}

# stub HEADER OUT: a library of what the header declares, whose types abidiff can compare.
stub() {
  {
    printf '#include "%s"\n' "$1"
    grep -v '^#' "$1" | tr '\n' ' ' | grep -oE 'SOWLV2_API [^;]*' | sed 's/$/ { __builtin_trap(); }/'
  } >"$folder/stub.c"
  $cc -std=c11 -g -shared -fPIC "$folder/stub.c" -o "$2"
}

# types OLD NEW: whether abidiff sees functions or types that are not as they were; options may grow at their end.
types() {
  stub "$1" "$folder/old.so"
  stub "$2" "$folder/new.so"
  abidiff --no-added-syms --suppressions "$folder/growing" "$folder/old.so" "$folder/new.so"
}
printf '[suppress_type]\n  type_kind = struct\n  name_regexp = _options$\n  has_data_member_inserted_at = end\n' >"$folder/growing"
abidiff=$(command -v abidiff || true)

layout "$source/include/sowlv2.h" "$folder/today"
checked=0
for header in "$source"/tests/api/frozen/*.h; do
  layout "$header" "$folder/then"
  checked=$((checked + $(wc -l <"$folder/then")))
  while read -r line; do
    complain "$(basename "$header"): $line"
  done < <(compare "$folder/then" "$folder/today")
  [ -z "$abidiff" ] || types "$header" "$source/include/sowlv2.h" >"$folder/said" ||
    complain "$(basename "$header"): $(cat "$folder/said")"
  $cc -std=c11 -Wall -Wextra -Werror -DHEADER="\"$header\"" "$source/tests/api/frozen/client.c" "$library" \
    -Wl,-rpath,"$(dirname "$library")" -lm -o "$folder/client" || {
    complain "$(basename "$header"): its program does not link"
    continue
  }
  "$folder/client" "$source/tests/models/data" || complain "$(basename "$header"): its program fails"
done
[ "$checked" -gt 100 ] || complain "only $checked fields were compared: is this script wrong?"

# That it would say so: a field in the middle, one in padding, one that went, another value, a fixed struct that grew.
wrong() { # WHAT SED-EXPRESSION
  sed -E "$2" "$source/include/sowlv2.h" >"$folder/changed.h"
  cmp -s "$source/include/sowlv2.h" "$folder/changed.h" && complain "$1: the test changes nothing"
  layout "$folder/changed.h" "$folder/other"
  [ -n "$(compare "$folder/today" "$folder/other")" ] || complain "$1 is not seen"
}
wrong "a field in the middle" 's/^    float nms_iou;/    float other;\n    float nms_iou;/'
wrong "a field in padding" 's/^    bool prompted_only;/    bool prompted_only; bool padded;/'
wrong "a field that went" 's/^    const char \*cache_dir;.*//'
wrong "another value" 's/SOWLV2_ERROR_IO = -2/SOWLV2_ERROR_IO = -12/'
wrong "a fixed struct that grew" 's/^    int prompt;       /    double more; int prompt;       /'
sed -E 's/^    sowlv2_device \*device; (.*)/    sowlv2_device *device; \1/; s/^(    const struct sowlv2_device_options \*device_options;)/\1\n    int later;/' \
  "$source/include/sowlv2.h" >"$folder/grown.h"
layout "$folder/grown.h" "$folder/other"
[ -z "$(compare "$folder/today" "$folder/other")" ] || complain "options that grew at their end are taken for a fault"
if [ -n "$abidiff" ]; then
  types "$source/include/sowlv2.h" "$folder/grown.h" >"$folder/said" ||
    complain "options that grew at their end are a fault to abidiff: $(cat "$folder/said")"
  sed -E 's/^    int prompt;       /    float prompt;     /' "$source/include/sowlv2.h" >"$folder/changed.h"
  types "$source/include/sowlv2.h" "$folder/changed.h" >/dev/null && complain "a field of another type is not seen"
  sed -E 's/(sowlv2_track_return\(sowlv2_track_session \*session, )int64_t/\1int32_t/' "$source/include/sowlv2.h" >"$folder/changed.h"
  types "$source/include/sowlv2.h" "$folder/changed.h" >/dev/null && complain "a parameter of another type is not seen"
fi

[ "$failures" = 0 ] && echo "frozen: $checked fields and values as they were, and programs that run"
