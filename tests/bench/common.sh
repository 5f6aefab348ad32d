# Sourced by the others: `python`, a folder `work`, and what they want of it.
build=$1 source=$2
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
  echo "skipped: there is no Python 3.9 or later ($python)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  echo "$*" >&2
  failures=$((failures + 1))
}
