#!/usr/bin/env bash
# run.sh VENV LIBRARY PROGRAM TOLD FOLDER [pytest's arguments]: the tests of track-eval in the virtual environment of the Python
# package's tests, which make it first; exits with 77 where it is not there.
set -eu
venv=$1
export TRACK_EVAL_LIBRARY=$2 TRACK_EVAL_PROGRAM=$3 TRACK_EVAL_TOLD=$4 TRACK_EVAL_WORK=$5 PYTHONDONTWRITEBYTECODE=1
shift 5
tests=$(cd "$(dirname "$0")" && pwd)
cd "$tests/../../.."
if ! "$venv/bin/python" -c "import numpy, PIL, pytest" 2>/dev/null; then
  echo "track_eval: $venv has no numpy, Pillow and pytest: the tests are skipped" >&2
  exit 77
fi
exec "$venv/bin/python" -m pytest -p no:cacheprovider "$tests" "$@"
