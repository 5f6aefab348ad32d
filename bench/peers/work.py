"""How much rows compute, by the reference's own modules: `python work.py '{NAME: [KIND, COUNT, EXTRA, FOLDER], ...}'`
prints {NAME: GFLOP}, a multiplication and an addition counted as two. Products, convolutions and attention; nothing is
computed, and models have no weights."""

import json
import sys
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode


def counted(module, *arguments, **named):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*arguments, **named)
    return counter.get_total_flops()


def meta(model_class, folder):
    """The model without its weights; attention as products, which are counted."""
    from transformers import AutoConfig

    config_class = model_class.config_class
    config = config_class.from_pretrained(folder)
    with torch.device("meta"):
        return model_class._from_config(config, attn_implementation="eager").eval()


def detect(prompts, images, folder):
    from transformers import Owlv2ForObjectDetection

    model = meta(Owlv2ForObjectDetection, folder)
    side, length = model.config.vision_config.image_size, model.config.text_config.max_position_embeddings
    ids = torch.zeros(prompts, length, dtype=torch.int64, device="meta")
    text = counted(model.owlv2.text_model, input_ids=ids, attention_mask=ids + 1)
    one = counted(model.owlv2.vision_model, torch.zeros(1, 3, side, side, device="meta"))
    patches, width = (side // model.config.vision_config.patch_size) ** 2, model.config.vision_config.hidden_size
    features = torch.zeros(1, patches, width, device="meta")
    heads = sum(counted(head, features) for head in (model.box_head, model.objectness_head))
    heads += counted(model.class_head.dense0, features)
    return text + images * (one + heads)


def encoder(model, side):
    return counted(model.vision_encoder, torch.zeros(1, 3, side, side, device="meta"))


def decoder(model, side, count):
    width = model.hidden_dim
    shapes = [(width // 8, side // 4), (width // 4, side // 8), (width, side // 16)]
    maps = [torch.zeros(1, channels, size, size, device="meta") for channels, size in shapes]
    tokens = torch.zeros(1, count, 3, width, device="meta")
    return counted(
        model.mask_decoder, image_embeddings=maps[2], image_positional_embeddings=maps[2], sparse_prompt_embeddings=tokens,
        dense_prompt_embeddings=maps[2], multimask_output=False, high_resolution_features=maps[:2],
    )


def side_of(folder):
    return json.loads((folder / "preprocessor_config.json").read_text())["size"]["height"]


def encode(count, extra, folder):
    from transformers import Sam2VideoModel

    return encoder(meta(Sam2VideoModel, folder), side_of(folder))


def decode(boxes, extra, folder):
    from transformers import Sam2VideoModel

    return decoder(meta(Sam2VideoModel, folder), side_of(folder), boxes)


def track(objects, extra, folder):
    """The encoder once; for each object attention to a full memory, a decoded mask, and its memory."""
    from transformers import Sam2VideoModel

    model, side = meta(Sam2VideoModel, folder), side_of(folder)
    tokens, width, narrow = (side // 16) ** 2, model.hidden_dim, model.mem_dim
    pointers = min(extra, model.config.max_object_pointers_in_encoder) * (width // narrow)
    memories = torch.zeros(min(extra, model.num_maskmem) * tokens + pointers, 1, narrow, device="meta")
    here = torch.zeros(tokens, 1, width, device="meta")
    attention = counted(
        model.memory_attention, current_vision_features=here, current_vision_position_embeddings=here, memory=memories,
        memory_posision_embeddings=memories, num_object_pointer_tokens=pointers,
    )
    feature_map = torch.zeros(1, width, side // 16, side // 16, device="meta")
    remembered = counted(model.memory_encoder, feature_map, torch.zeros(1, 1, side, side, device="meta"))
    return encoder(model, side) + objects * (attention + remembered + decoder(model, side, 1))


def score(frames, extra, folder):
    from transformers import VJEPA2Model

    model = meta(VJEPA2Model, folder)
    side = model.config.crop_size
    return counted(model, torch.zeros(1, frames, 3, side, side, device="meta"), skip_predictor=True)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps({name: globals()[kind](count, extra, Path(folder)) / 1e9 for name, (kind, count, extra, folder) in asked.items()}))
