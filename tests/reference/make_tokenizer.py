"""Makes tests/text/data: small CLIP tokenizers and what the pinned reference makes of hard texts.

    python tests/reference/make_tokenizer.py

Folders, each as a model folder on the hub has it:
  hub      vocab.json, merges.txt, tokenizer_config.json, special_tokens_map.json: the older layout
  json     tokenizer.json and tokenizer_config.json, as the reference saves them
  strings  the same with merges written "a b", an added_tokens_decoder, and added tokens of all kinds
  renamed  other start, end and pad tokens, with ids behind the vocabulary
  split    special tokens are cut up like words
  bare     vocab.json and merges.txt alone
  gaps     bytes without a token, ids with gaps, a merge listed twice
  rules    special tokens named in every file, with flags that contradict each other
  both     tokenizer.json beside a vocab.json that differs from it

expected.json: {"texts": [...], "special": how many of them every folder has, "invalid": [hex, ...],
  "folders": {name: {"size": ..., "start": ..., "end": ..., "pad": ...,
                     "texts": [[ids, truncated], ...], "invalid": [...]}}}
unicode.json: what the reference's normaliser and pattern make of each code point, see unicode().
"""

import json
import shutil
from collections import Counter
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers

import tokenizer_texts as texts
from transformers import CLIPTokenizer

DATA = Path(__file__).resolve().parent.parent / "text" / "data"
LENGTH = 16
MERGES = 420
START, END = "<|startoftext|>", "<|endoftext|>"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(0x100 + i) for i in range(len(others))]


def train(text, count):
    """Byte-pair merges of `text`, cut by the reference's own normaliser and pre-tokenizer."""
    backend = CLIPTokenizer().backend_tokenizer
    pieces = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
    words = Counter((*word[:-1], word[-1] + "</w>") for word, _ in pieces)
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = Counter()
        for word, times in words.items():
            out = []
            for symbol in word:
                if out and (out[-1], symbol) == best and not out[-1].endswith("</w>"):
                    out[-1] += symbol
                else:
                    out.append(symbol)
            merged[tuple(out)] += times
        words = merged
    return merges


def vocabulary(merges):
    alphabet = byte_alphabet()
    tokens = alphabet + [a + "</w>" for a in alphabet]
    tokens += [t for t in dict.fromkeys(a + b for a, b in merges) if t not in set(tokens)]
    return {token: i for i, token in enumerate([*tokens, START, END])}


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def write_old_files(folder, vocab, merges):
    folder.mkdir(parents=True)
    write(folder / "vocab.json", vocab)
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def token(content, normalized, **flags):
    base = {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}
    return base | flags


def compact(folder):
    """The reference saves with an indent, which more than doubles the size."""
    for path in folder.glob("*.json"):
        value = json.loads(path.read_text(encoding="utf-8"))
        for field in ("is_local", "local_files_only"):
            value.pop(field, None)
        write(path, value)


def make_hub(folder, vocab, merges):
    write_old_files(folder, vocab, merges)
    added = {"__type": "AddedToken"}
    write(folder / "tokenizer_config.json", {
        "unk_token": added | token(END, True), "bos_token": added | token(START, True),
        "eos_token": added | token(END, True), "pad_token": "!", "add_prefix_space": False, "do_lower_case": True,
        "errors": "replace", "model_max_length": LENGTH, "tokenizer_class": "CLIPTokenizer",
    })
    write(folder / "special_tokens_map.json", {
        "bos_token": token(START, True), "eos_token": token(END, True), "unk_token": token(END, True),
        "pad_token": "!",
    })


def make_json(folder, hub):
    CLIPTokenizer.from_pretrained(hub).save_pretrained(folder)
    compact(folder)


def make_strings(folder, json_folder):
    shutil.copytree(json_folder, folder)
    saved = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    saved["model"]["merges"] = [f"{a} {b}" for a, b in saved["model"]["merges"]]
    saved["added_tokens"] = []
    saved["padding"] = saved["truncation"] = None
    write(folder / "tokenizer.json", saved)
    end = saved["model"]["vocab"][END]
    decoder = {
        "0": token("!", False, special=True),
        str(end - 1): token(START, False, special=True),
        str(end): token(END, False, special=True),
        str(end + 9): token("<mask>", False, lstrip=True, rstrip=True, special=True),
        str(end + 3): token("word", False, single_word=True),
        str(end + 4): token("WOR", True, single_word=True),
        str(end + 5): token("Cafe\u0301", True),
        str(end + 6): token("<new>", True),
        str(end + 7): token("<new2>", False, rstrip=True),
        str(end + 8): token("<left>", True, lstrip=True),
        str(end + 2): token("<right>", True, rstrip=True, special=True),
    }
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config |= {"added_tokens_decoder": decoder, "extra_special_tokens": ["a\u0130b", "<pad>"], "image_token": "</s>",
               "model_max_length": int(1e30), "add_bos_token": True}
    write(folder / "tokenizer_config.json", config)


def make_renamed(folder, vocab, merges):
    write_old_files(folder, vocab, merges)
    write(folder / "tokenizer_config.json", {"pad_token": "<PAD>", "bos_token": "<s>", "unk_token": "!"})
    write(folder / "special_tokens_map.json", {"eos_token": token("</S>", True), "pad_token": "<pad>",
                                               "additional_special_tokens": ["<mask>"]})
    write(folder / "added_tokens.json", {"<new>": 5000, "</S>": 4000})


def make_split(folder, vocab, merges):
    write_old_files(folder, vocab, merges)
    write(folder / "tokenizer_config.json", {
        "pad_token": "!", "split_special_tokens": True,
        "added_tokens_decoder": {"1": token("word", False), "2": token("<mask>", True, special=True)},
    })


def make_gaps(folder, vocab, merges):
    missing = {"a", "7</w>", "\u00c3", "\u0120", "\u0122</w>"}
    merges = [(a, b) for a, b in merges if not {a, b, a + b} & missing]
    produced = {a + b for a, b in merges}
    needed = {s for pair in merges for s in pair}
    # A merge whose parts nothing makes any more cannot be listed with a part outside the vocabulary.
    vocab = {t: 3 * i + 1 for t, i in vocab.items() if t not in missing or t in needed | produced}
    write_old_files(folder, vocab, [*merges, merges[3], *merges[40:50]])
    write(folder / "tokenizer_config.json", {"pad_token": "!", "extra_special_tokens": ["<new>", "<mask>", "word"]})


def make_rules(folder, vocab, merges):
    """Everything that names tokens at once: which flags win?"""
    write_old_files(folder, vocab, merges)
    typed = {"__type": "AddedToken"}
    write(folder / "tokenizer_config.json", {
        "bos_token": typed | token("<s>", True), "eos_token": typed | {"content": "</S>"}, "unk_token": "<mask>",
        "sep_token": typed | {"content": "word", "single_word": True}, "image_token": typed | token("<left>", False),
        "additional_special_tokens": [typed | {"content": "<Pad>"}, "<right>"], "split_special_tokens": False,
    })
    write(folder / "special_tokens_map.json", {
        "pad_token": {"content": "!", "rstrip": True}, "cls_token": {"content": "word", "single_word": True},
        "image_token": {"content": "<left>", "lstrip": True}, "additional_special_tokens": ["cat"],
    })
    write(folder / "added_tokens.json", {"</S>": 77, "<mask>": 9, START: 10**6, "<new>": 3})


def make_both(folder, json_folder, vocab):
    shutil.copytree(json_folder, folder)
    write(folder / "vocab.json", {t: len(vocab) - 1 - i for t, i in vocab.items()})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


def expectations(folder, count):
    tokenizer = CLIPTokenizer.from_pretrained(folder)

    def rows(items):
        cut = tokenizer(items, truncation=True, max_length=LENGTH, padding="max_length")["input_ids"]
        whole = tokenizer(items)["input_ids"]
        return [[ids, len(full) > LENGTH] for ids, full in zip(cut, whole)]

    return {
        "size": 1 + max(tokenizer.get_vocab().values()),
        "start": tokenizer.bos_token_id,
        "end": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "texts": rows((texts.SPECIAL + texts.GENERAL)[:count]),
        "invalid": rows([bytes.fromhex(h).decode("utf-8", "replace") for h in texts.INVALID]),
    }


def ranges(points):
    out = []
    for point in points:
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return out


def matching(pattern):
    """Code points that the reference's regular expressions find with `pattern`."""
    replace = normalizers.Replace(Regex(pattern), "\ue000")
    return [c for c in CODE_POINTS if c != 0xE000 and replace.normalize_str(chr(c)) == "\ue000"]


def words():
    """Code points that keep a single-word token from being found."""
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.add_tokens([AddedToken("##", single_word=True, normalized=False)])
    found = tokenizer.token_to_id("##")
    return [c for c in CODE_POINTS if found not in tokenizer.encode("##" + chr(c)).ids]


def unicode():
    """letters, numbers, spaces, words: ranges. lower, composed: [point, result...] where the result is another.
    decomposed: [point, parts...] of all but Hangul syllables. after, before: ranges of the marks that NFC moves
    behind a following U+0334 (combining class 1), and before a preceding U+0345 (class 240)."""
    lower, nfc, nfd = normalizers.Lowercase(), normalizers.NFC(), normalizers.NFD()

    def changed(normalizer, points):
        results = ((c, normalizer.normalize_str(chr(c))) for c in points)
        return [[c, *map(ord, result)] for c, result in results if result != chr(c)]

    decomposed = changed(nfd, [c for c in CODE_POINTS if not 0xAC00 <= c < 0xD7A4])
    whole = [c for c in CODE_POINTS if nfd.normalize_str(chr(c)) == chr(c)]
    return {
        "letters": ranges(matching(r"\p{L}")),
        "numbers": ranges(matching(r"\p{N}")),
        "spaces": ranges(matching(r"\s")),
        "words": ranges(words()),
        "lower": changed(lower, CODE_POINTS),
        "composed": changed(nfc, CODE_POINTS),
        "decomposed": decomposed,
        "after": ranges([c for c in whole if nfd.normalize_str(chr(c) + "\u0334") != chr(c) + "\u0334"]),
        "before": ranges([c for c in whole if nfd.normalize_str("\u0345" + chr(c)) != "\u0345" + chr(c)]),
    }


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    merges = train(texts.TRAINING, MERGES)
    vocab = vocabulary(merges)
    make_hub(DATA / "hub", vocab, merges)
    make_json(DATA / "json", DATA / "hub")
    make_strings(DATA / "strings", DATA / "json")
    make_renamed(DATA / "renamed", vocab, merges)
    make_split(DATA / "split", vocab, merges)
    write_old_files(DATA / "bare", vocab, merges)
    make_gaps(DATA / "gaps", vocab, merges)
    make_rules(DATA / "rules", vocab, merges)
    make_both(DATA / "both", DATA / "json", vocab)

    everything = len(texts.SPECIAL) + len(texts.GENERAL)
    names = sorted(path.name for path in DATA.iterdir())
    folders = {n: expectations(DATA / n, everything if n in ("hub", "json") else len(texts.SPECIAL)) for n in names}
    write(DATA / "expected.json", {"texts": texts.SPECIAL + texts.GENERAL, "special": len(texts.SPECIAL),
                                   "invalid": [h.replace(" ", "") for h in texts.INVALID], "folders": folders})
    write(DATA / "unicode.json", unicode())
    for path in DATA.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    print(f"{sum(f.stat().st_size for f in DATA.rglob('*') if f.is_file()) / 1e3:.0f} kB in tests/text/data")


if __name__ == "__main__":
    main()
