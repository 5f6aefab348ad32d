#!/usr/bin/env bash
# header.sh SOURCE LIBRARY CC CXX: the public headers alone and with the shared library: they compile as C11 and C++17,
# the library exports what they declare and nothing else, and the tests of arguments call all of it.
set -eu
source=$1 library=$2 cc=$3 cxx=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0
complain() {
  echo "header: $1" >&2
  failures=$((failures + 1))
}

for header in "$source"/include/*.h; do
  name=$(basename "$header")
  strict="-Wall -Wextra -pedantic -Werror -fsyntax-only -I$source/include"
  printf '#include <%s>\n#include <%s>\n' "$name" "$name" | tee "$folder/alone.c" >"$folder/alone.cpp"
  # shellcheck disable=SC2086
  $cc -std=c11 $strict "$folder/alone.c" || complain "$name does not compile alone as C11"
  # shellcheck disable=SC2086
  $cxx -std=c++17 $strict "$folder/alone.cpp" || complain "$name does not compile alone as C++17"
done

# One declaration a line, and of each the name before the first parenthesis.
cat "$source"/include/*.h | grep -v '^#' | tr '\n' ' ' | grep -oE 'SOWLV2_API [^;]*' |
  tee "$folder/declarations" | sed -E 's/^([^(]*)\(.*/\1/; s/.*[ *]//' | sort -u >"$folder/declared"
nm -D --defined-only "$library" | awk '{print $3}' | sort -u >"$folder/exported"
[ "$(wc -l <"$folder/declared")" -gt 60 ] || complain "only $(wc -l <"$folder/declared") functions are declared: is this script wrong?"
while read -r name; do
  complain "$name is declared, and not exported"
done < <(comm -23 "$folder/declared" "$folder/exported")
while read -r name; do
  complain "$name is exported, and in no public header"
done < <(comm -13 "$folder/declared" "$folder/exported")

while read -r name; do
  grep -qw "$name" "$source"/tests/api/test_nulls.c "$source"/tests/api/test_arguments.c ||
    grep -q " \**$name(void)$" "$folder/declarations" || # takes nothing that could be wrong
    complain "$name: neither test_nulls.c nor test_arguments.c calls it"
done < <(grep -v '_options_\(init\|default\)$' "$folder/declared")

[ "$failures" = 0 ] && echo "header: $(wc -l <"$folder/declared") functions, as they should be"
