#!/bin/sh
# Renders scenes and trains a demo model: sh train.sh owlv2|sam2|vjepa2 RUN [PHOTOS [SECONDS]]
# PHOTOS: folder with train/ and held/ (pictures without the demo's objects, free licences); may be left out.
set -eu
model=$1 run=$2 photos=${3:-} seconds=${4:-4200}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
target=$here/../../models/demo/$model
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
mkdir -p "$run"
train=${photos:+--photos $photos/train} held=${photos:+--held-photos $photos/held}
cd "$here"
case $model in
owlv2)
    "$python" pool.py "$run/pool" 20000 $train & renderer=$!
    trap 'kill $renderer 2>/dev/null || true' EXIT INT TERM
    sleep 60
    "$python" train_owlv2.py --pool "$run/pool" --out "$run" --budget "$seconds" $held
    "$python" export_owlv2.py "$run/final.pt" "$target"
    "$python" render_images.py "$run/held" 300 --no-owners ${photos:+--photos $photos/held}
    "$python" eval_owlv2.py "$target" "$run/held"
    ;;
sam2 | vjepa2)
    "$python" "train_$model.py" --out "$run" --budget "$seconds" $train $held --export "$target"
    ;;
*)
    echo "train.sh: $model: no such model: owlv2, sam2 or vjepa2" >&2
    exit 2
    ;;
esac
