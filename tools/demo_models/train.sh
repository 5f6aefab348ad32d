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
    "$python" calibrate_owlv2.py "$run/final.pt" "$run/calibrated.pt" $train
    "$python" export_owlv2.py "$run/calibrated.pt" "$target"
    "$python" render_images.py "$run/held" 300 --no-owners ${photos:+--photos $photos/held}
    "$python" eval_owlv2.py "$target" "$run/held"
    ;;
sam2)
    "$python" sam2_data.py "$run/data" $train
    "$python" sam2_data.py "$run/held" --pictures 80 --clips 24 --split held --seed 5151 ${photos:+--photos $photos/held}
    data="--data $run/data --held $run/held"
    "$python" train_sam2.py pictures $data --out "$run/pictures" --seconds $((seconds * 4 / 10)) --compile
    "$python" train_sam2.py clips $data --out "$run/clips" --start "$run/pictures/pictures.pt" --seconds $((seconds * 2 / 10))
    "$python" train_sam2.py both $data --out "$run/both" --start "$run/clips/clips.pt" --seconds $((seconds * 4 / 10)) --decay 0.8
    "$python" train_sam2.py export "$run/both/both.pt" "$target"
    ;;
vjepa2)
    "$python" train_vjepa2.py --out "$run" --seconds "$seconds" $train $held --export "$target"
    ;;
*)
    echo "train.sh: $model: no such model: owlv2, sam2 or vjepa2" >&2
    exit 2
    ;;
esac
