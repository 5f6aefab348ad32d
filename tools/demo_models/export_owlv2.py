"""Writes a training run's averaged weights as a hub-style model folder: f16 weights, config, processor, tokenizer.

    python export_owlv2.py CHECKPOINT FOLDER
"""
import json
import os
import sys

import torch
from transformers import Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

import tokenizer as T
import train_owlv2 as R
import vocabulary as V


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, ensure_ascii=False)
        f.write("\n")


def known_words():
    """What the program shows when a prompt holds a word that the demo does not know."""
    return {
        "nouns": {n: list(V.prompts_of(n)[1:]) for n in V.NOUN_LIST},
        "colours": {n: [c for c, m in V.colour_pairs() if m == n] for n in V.NOUN_LIST
                    if any(m == n for _, m in V.colour_pairs())},
        "sizes": {k: list(v) for k, v in V.SIZES.items()},
        "templates": list(V.TEMPLATES),
        "words": T.known_words(),
    }


def export(weights, folder):
    os.makedirs(folder, exist_ok=True)
    tokenizer, vocab, _ = T.build()
    model = Owlv2ForObjectDetection(R.make_config(len(vocab)))
    model.load_state_dict(weights)
    model.half().save_pretrained(folder)
    image_processor = Owlv2ImageProcessor(size={"height": R.SIDE, "width": R.SIDE})
    Owlv2Processor(image_processor, tokenizer).save_pretrained(folder)
    T.save(folder)
    write_json(folder, "preprocessor_config.json", {
        "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
        "image_mean": list(image_processor.image_mean), "image_std": list(image_processor.image_std),
        "image_processor_type": "Owlv2ImageProcessor", "processor_class": "Owlv2Processor",
        "resample": 2, "rescale_factor": 1 / 255, "size": {"height": R.SIDE, "width": R.SIDE}})
    write_json(folder, "special_tokens_map.json", {
        "bos_token": T.START, "eos_token": T.END, "pad_token": T.PAD, "unk_token": T.END})
    write_json(folder, "known_words.json", known_words())


def main():
    state = torch.load(sys.argv[1], weights_only=False, map_location="cpu")
    export(state["average"], sys.argv[2])
    for name in sorted(os.listdir(sys.argv[2])):
        print(f"{os.path.getsize(os.path.join(sys.argv[2], name)):9d} {name}")


if __name__ == "__main__":
    main()
