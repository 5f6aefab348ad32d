"""Makes the fixtures of tests/base and tests/weights: files as the Python libraries write them.

    python tests/reference/make_weights.py

tests/base/data/widened.txt      F16 and BF16 as torch widens them: a hash of every pattern that is no NaN
tests/weights/data/single/       a folder of one model.safetensors with every type of the format's own writer;
                                 element i of a tensor is i / 4 - 1 (integers: i; BOOL: i odd)
tests/weights/data/pytorch/      torch's own files with names as Meta's SAM 2 has them (zip.pt: 2.1, 12 blocks; pickle.pt: 2.0, 48
                                 blocks, as older releases saved), and with any others (other.pt)
tests/weights/data/sharded/      four F32 tensors in shards with their index, element i is i
"""

import json
import shutil
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file

TESTS = Path(__file__).resolve().parent.parent
FNV_START, FNV_PRIME, MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def widened_hash(dtype):
    """FNV-1a over the bits of each widened value, as 32-bit little-endian words, in the order of patterns."""
    patterns = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).roll(32768)
    values = patterns.view(dtype).to(torch.float32)
    words = values[~values.isnan()].view(torch.int32).tolist()
    state = FNV_START
    for word in words:
        for byte in (word & 0xFFFFFFFF).to_bytes(4, "little"):
            state = ((state ^ byte) * FNV_PRIME) & MASK
    return state


def make_widened():
    folder = TESTS / "base/data"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} {widened_hash(dtype):016x}" for name, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16))]
    (folder / "widened.txt").write_text("\n".join(lines) + "\n")


def make_single(folder):
    def floats(*shape):
        count = torch.Size(shape).numel()
        return (torch.arange(count, dtype=torch.float32) / 4 - 1).reshape(shape)

    tensors = {
        "model.f32": floats(2, 3),
        "model.f16": floats(5).to(torch.float16),
        "model.bf16": floats(3, 1, 2).to(torch.bfloat16),
        "model.i64": torch.arange(3, dtype=torch.int64),
        "model.i32": torch.arange(4, dtype=torch.int32),
        "model.u8": torch.arange(7, dtype=torch.uint8),
        "model.bool": torch.arange(3) % 2 == 1,
        "model.f64": floats(2).to(torch.float64),
        "model.f8": floats(3).to(torch.float8_e4m3fn),
        "model.scalar": floats(1)[0].clone(),
        "model.empty": torch.zeros(0, 4),
        "model.six": floats(1, 2, 1, 2, 1, 2),
        'model."é\n犬': floats(2),
    }
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def make_sharded(folder):
    folder.mkdir(parents=True)
    tensors = {f"layer.{i}.weight": torch.arange(2 + i, dtype=torch.float32) for i in range(4)}
    save_torch_state_dict(tensors, folder, max_shard_size=24)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1


def make_pytorch(folder):
    folder.mkdir(parents=True)
    value = torch.zeros(1)

    def names(blocks, *more):
        tower = (f"image_encoder.trunk.blocks.{i}.norm1.weight" for i in range(blocks))
        return {"model": dict.fromkeys(("maskmem_tpos_enc", *tower, "sam_mask_decoder.iou_token.weight", *more), value)}

    torch.save(names(12, "no_obj_embed_spatial", "obj_ptr_tpos_proj.weight"), folder / "zip.pt")
    torch.save(names(48), folder / "pickle.pt", _use_new_zipfile_serialization=False)
    torch.save({"weight": value}, folder / "other.pt")


def main():
    data = TESTS / "weights/data"
    for name, make in (("single", make_single), ("sharded", make_sharded), ("pytorch", make_pytorch)):
        shutil.rmtree(data / name, ignore_errors=True)
        make(data / name)
        for file in (data / name).iterdir():
            file.chmod(0o644)
    make_widened()


if __name__ == "__main__":
    main()
