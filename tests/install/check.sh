#!/bin/sh
# check.sh BUILD SOURCE CC: installs into a folder of its own, and uses what is there as a stranger would:
# exported names, pkg-config, an example built against it, the tool.
set -eu
build=$1 source=$2 cc=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "install: $1" >&2
  exit 1
}

cmake --install "$build" --prefix "$folder/first" >/dev/null
mv "$folder/first" "$folder/moved" # must not matter
libraries=$(dirname "$(find "$folder/moved" -name libsowlv2.so)")
export PKG_CONFIG_PATH="$libraries/pkgconfig" LD_LIBRARY_PATH="$libraries"

strangers=$(nm -D --defined-only "$libraries/libsowlv2.so" | awk '{print $3}' | grep -v '^sowlv2_' || true)
[ -z "$strangers" ] || fail "the library exports more than its own names: $strangers"

printf '#include <sowlv2.h>\n#include <sowlv2_run.h>\nint main(void) { return sowlv2_version() == 0; }\n' >"$folder/header.c"
# shellcheck disable=SC2046
$cc -std=c99 -Wall -Wextra -pedantic -Werror "$folder/header.c" $(pkg-config --cflags --libs sowlv2) -o "$folder/header" ||
  fail "the header does not compile alone as C99"
"$folder/header" || fail "a program with the library alone does not run"

for file in "$libraries/libsowlv2.so" "$folder/moved/bin/sowlv2"; do
  readelf -d "$file" | grep -q 'BIND_NOW' || fail "$file: its table of functions stays open"
  nm -D "$file" | grep -q '__stack_chk_fail' || fail "$file: built without stack protection"
done

for example in "$source"/examples/*.c; do
  # shellcheck disable=SC2046
  $cc -std=c11 -Wall -Wextra -Werror "$example" $(pkg-config --cflags --libs sowlv2) -o "$folder/example" ||
    fail "$example does not compile against what is installed"
  "$folder/example" >/dev/null 2>&1 && fail "$example does not explain itself without arguments"
done

"$folder/moved/bin/sowlv2" --version >/dev/null || fail "the tool does not run"
"$folder/moved/bin/sowlv2-detect" --help >/dev/null || fail "sowlv2-detect does not run"
echo "install: as it should be"
