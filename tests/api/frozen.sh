#!/usr/bin/env bash
# frozen.sh SOURCE LIBRARY CC: programs of older headers (tests/api/frozen/VERSION/) with today's library: their structs
# lie as today's, or are the beginnings of today's, all that they call is there, and tests/api/frozen/client.c, compiled with
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

# layout FOLDER OUT: of the headers there, of which sowlv2_run.h includes the other
layout() {
  $cc -E -P "$1/sowlv2_run.h" | awk -f "$source/tests/api/layout.awk" >"$folder/layout.c"
  $cc -std=c11 -DHEADER="\"$1/sowlv2_run.h\"" "$folder/layout.c" -o "$folder/layout"
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

# stub FOLDER OUT: a library of what the headers declare, whose types abidiff can compare.
stub() {
  {
    printf '#include "%s"\n' "$1/sowlv2_run.h"
    cat "$1"/*.h | grep -v '^#' | tr '\n' ' ' | grep -oE 'SOWLV2_API [^;]*' | sed 's/$/ { __builtin_trap(); }/'
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

layout "$source/include" "$folder/today"
checked=0
for then in "$source"/tests/api/frozen/*/; do
  then=${then%/}
  layout "$then" "$folder/then"
  checked=$((checked + $(wc -l <"$folder/then")))
  while read -r line; do
    complain "$(basename "$then"): $line"
  done < <(compare "$folder/then" "$folder/today")
  [ -z "$abidiff" ] || types "$then" "$source/include" >"$folder/said" ||
    complain "$(basename "$then"): $(cat "$folder/said")"
  $cc -std=c11 -Wall -Wextra -Werror -DHEADER="\"$then/sowlv2_run.h\"" "$source/tests/api/frozen/client.c" "$library" \
    -Wl,-rpath,"$(dirname "$library")" -lm -o "$folder/client" || {
    complain "$(basename "$then"): its program does not link"
    continue
  }
  "$folder/client" "$source/tests/models/data" || complain "$(basename "$then"): its program fails"
done
[ "$checked" -gt 100 ] || complain "only $checked fields were compared: is this script wrong?"

# That it would say so: a field in the middle, one in padding, one that went, another value, a fixed struct that grew.
change() { # SED-EXPRESSION
  mkdir -p "$folder/changed"
  for header in sowlv2.h sowlv2_run.h; do
    sed -E "$1" "$source/include/$header" >"$folder/changed/$header"
  done
}
wrong() { # WHAT SED-EXPRESSION
  change "$2"
  cmp -s "$source/include/sowlv2.h" "$folder/changed/sowlv2.h" && cmp -s "$source/include/sowlv2_run.h" "$folder/changed/sowlv2_run.h" &&
    complain "$1: the test changes nothing"
  layout "$folder/changed" "$folder/other"
  [ -n "$(compare "$folder/today" "$folder/other")" ] || complain "$1 is not seen"
}
wrong "a field in the middle" 's/^    float nms_iou;/    float other;\n    float nms_iou;/'
wrong "a field in padding" 's/^    bool prompted_only;/    bool prompted_only; bool padded;/'
wrong "a field that went" 's/^    const char \*cache_dir;.*//'
wrong "another value" 's/SOWLV2_ERROR_IO = -2/SOWLV2_ERROR_IO = -12/'
wrong "a field of a job that moved" 's/^    bool resume; .*/    bool resume, later;/; s/^    const char \*output; .*/    bool early; const char *output;/'
wrong "a fixed struct that grew" 's/^    int prompt;       /    double more; int prompt;       /'
change 's/^(    const struct sowlv2_device_options \*device_options;)/\1\n    int later;/'
layout "$folder/changed" "$folder/other"
[ -z "$(compare "$folder/today" "$folder/other")" ] || complain "options that grew at their end are taken for a fault"
if [ -n "$abidiff" ]; then
  types "$source/include" "$folder/changed" >"$folder/said" ||
    complain "options that grew at their end are a fault to abidiff: $(cat "$folder/said")"
  change 's/^    int prompt;       /    float prompt;     /'
  types "$source/include" "$folder/changed" >/dev/null && complain "a field of another type is not seen"
  change 's/(sowlv2_track_return\(sowlv2_track_session \*session, )int64_t/\1int32_t/'
  types "$source/include" "$folder/changed" >/dev/null && complain "a parameter of another type is not seen"
fi

[ "$failures" = 0 ] && echo "frozen: $checked fields and values as they were, and programs that run"
