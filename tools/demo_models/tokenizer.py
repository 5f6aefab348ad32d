"""The demo's own byte-pair vocabulary in CLIP's file formats: every known word becomes one token."""
import json
import os

from transformers import CLIPTokenizer

import vocabulary as V

START, END, PAD = "<|startoftext|>", "<|endoftext|>", "!"


def alphabet():
    """GPT-2's printable characters for the 256 bytes, in CLIP's order ("!" is 0, the id that OWLv2 pads with)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def known_words():
    words = set(" ".join(V.TEMPLATES).replace("{}", "").split()) | set(V.COLOURS)
    for forms in V.SIZES.values():
        words |= set(forms)
    for noun in V.NOUN_LIST:
        words |= set(" ".join(V.prompts_of(noun)).split())
    return sorted(words)


def learn_merges(words):
    """Joins the most frequent pair until every word is one token."""
    split = [list(w[:-1]) + [w[-1] + "</w>"] for w in words]
    merges = []
    while True:
        pairs = {}
        for symbols in split:
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        if not pairs:
            return merges
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for i, symbols in enumerate(split):
            out, k = [], 0
            while k < len(symbols):
                if tuple(symbols[k:k + 2]) == best:
                    out.append("".join(best))
                    k += 2
                else:
                    out.append(symbols[k])
                    k += 1
            split[i] = out


def build():
    merges = learn_merges(known_words())
    letters = alphabet()
    tokens = letters + [c + "</w>" for c in letters]
    for pair in merges:
        if "".join(pair) not in tokens:
            tokens.append("".join(pair))
    tokens += [START, END]
    vocab = {t: i for i, t in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, unk_token=END, bos_token=START, eos_token=END, pad_token=PAD,
                         model_max_length=16), vocab, merges


def save(folder):
    """tokenizer.json and the older pair vocab.json and merges.txt."""
    tokenizer, vocab, merges = build()
    tokenizer.save_pretrained(folder)
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(vocab, f, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    return tokenizer


def encode(tokenizer, texts):
    return tokenizer(texts, padding="max_length", truncation=True, max_length=16, return_tensors="pt").input_ids
