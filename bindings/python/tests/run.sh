#!/usr/bin/env bash
# run.sh VENV LIBRARY [pytest's arguments]: the tests of the Python package, from this clone, over a built libsowlv2.so.
# Makes the virtual environment where it is not there yet; exits with 77 where its packages cannot be had.
set -eu
venv=$1 library=$2
shift 2
tests=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$tests/../../.." && pwd)

if ! cmp -s "$tests/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv" || { echo "python: no virtual environment can be made: install python3-venv" >&2; exit 77; }
  "$venv/bin/pip" install --disable-pip-version-check --quiet -r "$tests/requirements.txt" || {
    echo "python: pip cannot install what $tests/requirements.txt lists: the tests of the Python package are skipped" >&2
    exit 77
  }
  cp "$tests/requirements.txt" "$venv/requirements.txt"
fi
export SOWLV2_LIBRARY=$library PYTHONDONTWRITEBYTECODE=1
cd "$root"
"$venv/bin/mypy" --cache-dir "$venv/mypy"
exec "$venv/bin/python" -m pytest -p no:cacheprovider "$tests" "$@"
