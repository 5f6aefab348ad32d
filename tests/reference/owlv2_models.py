"""Random OWLv2 models in the reference's own classes: shared by the golden generator, parity and benchmark.

Every parameter is random (biases, norms, shift and scale heads too), so that nothing is multiplied by
zero, and the heads are scaled after a look at what reaches them, so that scores and boxes spread.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

START, END, PAD = "<|startoftext|>", "<|endoftext|>", "!"

# What the released checkpoints' preprocessor_config.json says, but for the size.
PREPROCESSOR = {
    "do_normalize": True,
    "do_pad": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "Owlv2ImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "processor_class": "Owlv2Processor",
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
}

# Fields that released config.json files carry and no model needs: readers must pass over them.
OLD_CONFIG_FIELDS = {
    "_name_or_path": "",
    "add_cross_attention": False,
    "architectures": None,
    "bad_words_ids": None,
    "chunk_size_feed_forward": 0,
    "dropout": 0.0,
    "early_stopping": False,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "is_decoder": False,
    "length_penalty": 1.0,
    "max_length": 20,
    "num_beams": 1,
    "output_attentions": False,
    "pruned_heads": {},
    "tf_legacy_loss": False,
    "torch_dtype": None,
    "torchscript": False,
    "use_bfloat16": False,
}


def byte_alphabet():
    """GPT-2's 256 printable stand-ins for bytes, in the order in which CLIP numbers them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def learned_merges(words, count):
    """Byte-pair merges learned from `words`, the most frequent pair first, ties by name."""
    split = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges = []
    while len(merges) < count:
        pairs = {}
        for symbols in split:
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for index, symbols in enumerate(split):
            joined, position = [], 0
            while position < len(symbols):
                if tuple(symbols[position : position + 2]) == best:
                    joined.append("".join(best))
                    position += 2
                else:
                    joined.append(symbols[position])
                    position += 1
            split[index] = joined
    return merges


def systematic_merges(count):
    """`count` merges that build every two- and three-letter piece, for vocabularies of the released size."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pairs = [(a, b) for a in letters for b in letters]
    merges = [(a, b) for a, b in pairs] + [(a, b + "</w>") for a, b in pairs]
    merges += [(a + b, c) for a, b in pairs for c in letters]
    merges += [(a + b, c + "</w>") for a, b in pairs for c in letters]
    merges += [(a + b + c, d) for a, b in pairs for c in letters for d in letters]
    return merges[:count]


def vocabulary(merges):
    """CLIP's numbering: bytes, bytes that end a word, merged pieces, start, end (the largest id)."""
    alphabet = byte_alphabet()
    pieces = alphabet + [c + "</w>" for c in alphabet] + ["".join(pair) for pair in merges] + [START, END]
    assert len(set(pieces)) == len(pieces)
    return {piece: index for index, piece in enumerate(pieces)}


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer(folder, merges, length, single_file=False):
    """The tokenizer files of a released checkpoint, or the one tokenizer.json that the pinned release saves."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if single_file:
        tokenizer = CLIPTokenizer(vocabulary(merges), list(merges), pad_token=PAD, model_max_length=length)
        tokenizer.save_pretrained(folder)
        return
    (folder / "vocab.json").write_text(
        json.dumps(vocabulary(merges), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def special(content):
        return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}

    tokens = {"bos_token": special(START), "eos_token": special(END), "pad_token": PAD, "unk_token": special(END)}
    write_json(folder / "special_tokens_map.json", tokens)
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "bos_token": START,
            "do_lower_case": True,
            "eos_token": END,
            "errors": "replace",
            "model_max_length": length,
            "pad_token": PAD,
            "processor_class": "Owlv2Processor",
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": END,
        },
    )


def write_preprocessor(folder, size, **changes):
    write_json(Path(folder) / "preprocessor_config.json", PREPROCESSOR | {"size": {"height": size, "width": size}} | changes)


def old_config(config, dtype):
    """config.json as older releases wrote it: fuller than the pinned one, `torch_dtype` instead of `dtype`."""

    def part(part_config, model_type):
        fields = {k: v for k, v in part_config.to_diff_dict().items() if k not in ("dtype", "transformers_version")}
        for key in ("hidden_act", "layer_norm_eps", "attention_dropout", "initializer_range", "initializer_factor"):
            fields[key] = getattr(part_config, key)
        return OLD_CONFIG_FIELDS | fields | {"model_type": model_type}

    return {
        "_commit_hash": None,
        "architectures": ["Owlv2ForObjectDetection"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "owlv2",
        "projection_dim": config.projection_dim,
        "text_config": part(config.text_config, "owlv2_text_model"),
        "torch_dtype": dtype,
        "transformers_version": None,
        "vision_config": part(config.vision_config, "owlv2_vision_model"),
    }


def randomize(model, seed):
    """Fills every parameter from a fixed seed, at scales that keep activations near one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("logit_scale") and parameter.ndim == 0:
                parameter.fill_(2.7)
                continue
            parameter.normal_(generator=generator)
            norm = "norm" in name.split(".")[-2]
            if norm:
                parameter.mul_(0.2)
                if name.endswith("weight"):
                    parameter.add_(1.0)
            elif name.endswith("bias"):
                parameter.mul_(0.2)
            elif "embedding" in name and "patch" not in name:
                parameter.mul_(0.5 if "position" in name else 1.0)
            else:
                gain = 1.0
                if "q_proj" in name or "k_proj" in name or "_head.dense" in name:
                    gain = 1.4
                parameter.mul_(gain / math.sqrt(parameter[0].numel()))


def calibrate(model, inputs):
    """Rescales the last layers of the heads so that, on `inputs`, scores and boxes spread over their range."""

    def spread(linear, features, mean, std):
        values = linear(features).reshape(-1, linear.out_features)
        factor = torch.as_tensor(std) / values.std(0)
        linear.weight.mul_(factor[:, None])
        linear.bias.add_(torch.as_tensor(mean) - linear(features).reshape(-1, linear.out_features).mean(0))

    def hidden(head, features):
        return head.gelu(head.dense1(head.gelu(head.dense0(features))))

    with torch.no_grad():
        output = model(**inputs)
        features = output.image_embeds.flatten(1, 2)
        spread(model.box_head.dense2, hidden(model.box_head, features), [0.1, -0.1, 1.2, 0.9], [0.6, 0.7, 0.8, 0.9])
        spread(model.objectness_head.dense2, hidden(model.objectness_head, features), [-0.5], [1.5])
        queries = output.text_embeds
        cosine = output.class_embeds @ (queries / queries.norm(dim=-1, keepdim=True)).transpose(-1, -2)
        spread(model.class_head.logit_shift, features, [-0.25 - cosine.mean().item()], [0.2])
        spread(model.class_head.logit_scale, features, [4.0], [2.5])


def make(text, vision, projection, seed):
    config = Owlv2Config(text_config=text, vision_config=vision, projection_dim=projection)
    model = Owlv2ForObjectDetection(config).eval()
    randomize(model, seed)
    return model


def processor_of(folder):
    """The reference's processor of a model folder, which AutoProcessor would give too."""
    return Owlv2Processor(Owlv2ImageProcessor.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder))


def prepare(processor, texts, images, length):
    """The model's inputs; the processor does not truncate by itself, the released checkpoints hold 16 tokens."""
    return processor(
        text=[list(texts)] * len(images),
        images=list(images),
        return_tensors="pt",
        padding="max_length",
        truncation=True,
        max_length=length,
    )


def picture(height, width, seed):
    """A picture with smooth areas, edges and texture: uint8 [height, width, 3]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    image = np.empty((height, width, 3))
    for channel in range(3):
        a, b, c, d = random.uniform(-4, 4, 4)
        image[..., channel] = 128 + 70 * np.sin(3 * (a * x + b * y) + c) * np.cos(2 * d * x * y)
    for _ in range(6):
        top, left = int(random.integers(0, height)), int(random.integers(0, width))
        bottom, right = top + 1 + int(random.integers(0, max(1, height // 2))), left + 1 + int(random.integers(0, max(1, width // 2)))
        image[top:bottom, left:right] = 0.4 * image[top:bottom, left:right] + 0.6 * random.uniform(0, 255, 3)
    return np.clip(image + random.normal(0, 12, image.shape), 0, 255).round().astype(np.uint8)
