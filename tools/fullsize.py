"""OWLv2 models of the released sizes with random weights, kept in a cache folder as hub-like checkpoints."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))

CACHE = Path(__file__).resolve().parent.parent / ".parity"

VOCABULARY = 49408  # 512 byte pieces, merges, start and end

SHAPES = {
    "base": dict(  # google/owlv2-base-patch16-ensemble
        text=dict(hidden_size=512, num_attention_heads=8, num_hidden_layers=12, intermediate_size=2048),
        vision=dict(
            hidden_size=768,
            num_attention_heads=12,
            num_hidden_layers=12,
            intermediate_size=3072,
            patch_size=16,
            image_size=960,
        ),
        projection=512,
        seed=11,
    ),
    "large": dict(  # google/owlv2-large-patch14-ensemble
        text=dict(hidden_size=768, num_attention_heads=12, num_hidden_layers=12, intermediate_size=3072),
        vision=dict(
            hidden_size=1024,
            num_attention_heads=16,
            num_hidden_layers=24,
            intermediate_size=4096,
            patch_size=14,
            image_size=1008,
        ),
        projection=768,
        seed=12,
    ),
}


def require_reference():
    """Imports the reference, or says what to do and leaves with status 2."""
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
        import torchvision  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        print(
            f"{error.name} is missing: this needs the reference implementation in a Python environment:\n"
            "  python3 -m venv .venv && .venv/bin/pip install -r requirements-reference.txt scikit-image\n"
            "  make PYTHON=.venv/bin/python parity",
            file=sys.stderr,
        )
        raise SystemExit(2) from None


def model_folder(name, cache=CACHE):
    """The checkpoint of SHAPES[name]; made at the first call (base 0.6 GB, large 1.7 GB)."""
    import torch

    import owlv2_models as models
    from photos import photographs

    shape = SHAPES[name]
    folder = Path(cache) / f"owlv2-{name}"
    if (folder / "complete").exists():
        return folder
    print(f"making {folder} ...", flush=True)
    merges = models.systematic_merges(VOCABULARY - 514)
    assert len(models.vocabulary(merges)) == VOCABULARY
    model = models.make(dict(shape["text"]), dict(shape["vision"]), shape["projection"], shape["seed"])
    models.write_tokenizer(folder, merges, 16)
    models.write_preprocessor(folder, shape["vision"]["image_size"])
    images = list(photographs().values())
    inputs = models.prepare(models.processor_of(folder), ["a photo of a cat", "a photo of a red cup"], images, 16)
    with torch.no_grad():
        models.calibrate(model, inputs)
    model.save_pretrained(folder, max_shard_size="1GB" if name == "large" else "5GB")
    (folder / "complete").write_text("")
    return folder
