#!/usr/bin/env bash
# layers.sh SOURCE: puts one fault at a time into a copy of the tree, and wants it named by tools/lint_layers.sh.
set -eu
source=$1
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
failures=0

fresh() {
  rm -rf "${copy:?}"/*
  mkdir "$copy/tools"
  cp -r "$source/src" "$source/include" "$source/cmake" "$copy"
  cp "$source/tools/lint_layers.sh" "$copy/tools"
}
wants() { # WHAT TEXT...: fails on the copy with each text in what it says
  local what=$1 said
  shift
  if said=$("$copy/tools/lint_layers.sh" 2>&1); then
    echo "$what: passed" >&2
    failures=$((failures + 1))
  fi
  for text; do
    case $said in *"$text"*) continue ;; esac
    printf '%s: does not say "%s" but:\n%s\n' "$what" "$text" "$said" >&2
    failures=$((failures + 1))
  done
  fresh
}
first() { sed -i "1i $2" "$copy/src/$1"; }

fresh
"$copy/tools/lint_layers.sh" >/dev/null || { echo "the tree itself fails" >&2; exit 1; }

first ops/tensor.c '#include "output/names.h"'
wants "a layer that is not named" 'src/ops/tensor.c:1: #include "output/names.h": layer ops does not name sowlv2_output'
first ops/tensor.c '  #  include <output/names.h>'
wants "in angle brackets" 'src/ops/tensor.c:1: ' 'sowlv2_output'
first ops/tensor.c '#include "../output/names.h"'
wants "relative to the file" 'src/ops/tensor.c:1: ' 'sowlv2_output'
first ops/ops.h '#include "sowlv2.h"'
wants "the public header, from a header" 'src/ops/ops.h:1: ' 'sowlv2_headers'
first ops/cpu/maps.c '#include "text/words.h"'
wants "a file that no SOURCES list" 'src/ops/cpu/maps.c:1: ' 'layer ops_cpu does not name sowlv2_text'
first masks/runs.c '#include "media/image.h"'
first text/bpe.c '#include "hub/url.h"'
wants "two at once" 'src/masks/runs.c:1: ' 'src/text/bpe.c:1: '
first pipeline/track_run.h '#include "models/vjepa2/vjepa2.h"'
wants "a layer that shares its folder" 'layer track does not name sowlv2_vjepa2'
first pipeline/write.c '#include "pipeline/track.h"'
wants "another layer of the same folder" 'layer pipeline does not name sowlv2_track'
first output/names.c '#include "weights/json.h"'
wants "through a layer that may" 'layer output does not name sowlv2_weights'
first ops/tensor.c '#include "../../tests/media/images.h"'
wants "out of the tree" 'tests/media/images.h is in no layer'
first ops/tensor.c '#define NAMES "output/names.h"\n#include NAMES'
wants "through a macro" 'src/ops/tensor.c:2: ' 'does not expand macros'
sed -i '1i #include "base/error.h"' "$copy/include/sowlv2.h"
wants "from the public header" 'include/sowlv2.h:1: ' 'sowlv2_base'

mkdir "$copy/src/motor"
echo '#include "ops/ops.h"' >"$copy/src/motor/detector.c"
wants "a folder without a layer" 'src/motor/detector.c is in no layer'
mkdir "$copy/src/motor"
echo '#include "ops/ops.h"' >"$copy/src/motor/detector.c"
echo 'sowlv2_layer(motor SOURCES detector.c USES sowlv2_base)' >"$copy/src/motor/CMakeLists.txt"
wants "a new layer" 'layer motor does not name sowlv2_ops' 'motor names sowlv2_base in its USES and includes nothing'
mkdir "$copy/src/motor"
echo '#include "ops/ops.h"' >"$copy/src/motor/detector.c"
echo 'sowlv2_layer(motor SOURCES detector.c USES sowlv2_ops m)' >"$copy/src/motor/CMakeLists.txt"
"$copy/tools/lint_layers.sh" >/dev/null || { echo "a new layer that names what it uses fails" >&2; failures=1; }
fresh
echo '#include "pipeline/run.h"' >"$copy/src/pipeline/nobody.h"
wants "a header that could be of several layers" 'src/pipeline/nobody.h is in no layer'
sed -i 's/USES sowlv2_base/USES sowlv2_bases sowlv2_base/' "$copy/src/analysis/CMakeLists.txt"
wants "a layer that is not there" 'layer analysis names sowlv2_bases, which is no layer'

first cli/marks.c '#include "pipeline/queue.h"'
wants "a new one in the tool" 'src/cli/marks.c:1: #include "pipeline/queue.h": src/cli sees include/ alone'
except() { sed -i "s#^  cat <<'LIST'\$#&\n$1#" "$copy/tools/lint_layers.sh"; }
except 'src/cli | masks/runs.h masks/rle.h | made up'
wants "an exception that is not needed" 'the exception for masks/rle.h in src/cli is no longer needed'
except 'src/cli | masks/runs.h'
wants "an exception without a reason" 'exception without a reason: src/cli'
rm -r "$copy"/src/*
wants "nothing to look at" 'no sowlv2_layer() below src/'

[ "$failures" = 0 ] && echo "lint_layers: finds what it should"
