"""Makes tests/models/data/processors: the JSON files of model folders as people have them, and what the pinned reference
makes of them.

    python tests/reference/make_processors.py

cases.json holds "configs", the config.json files by name, and "cases", a list of objects:
  name
  model     owlv2, sam2 (images), sam2_video (frames) or vjepa2: who prepares the pixels
  config    the name of its config.json
  changes   fields that are put over that
  files     name: what the file holds; the processor's files of the folder
  image     which tensor of expected.safetensors is prepared
  values    the tensor that the reference gives, F32 [n, width, 3], of every fourth row; absent: refused
  mentions  for what is refused: what the message must name
  or theta  of `config`, for a SAM 2 video model: the base of memory attention's rotary embedding
  or labels of `config`, for a V-JEPA 2 classifier: the classes' names as printed
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, AutoVideoProcessor

DATA = Path(__file__).resolve().parent.parent / "models" / "data"
IMAGE, VIDEO, JOINT = "preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json"
A, B, C, D = ([x, x + 0.01, x + 0.02] for x in (0.1, 0.3, 0.5, 0.7))  # means that tell files apart

IMAGES = {"wide": (33, 52), "high": (52, 33), "flat": (20, 40), "small": (17, 13)}  # height, width


def sam2_config():
    return json.loads((DATA / "sam2_video_fields" / "config.json").read_text())


STEP = 4  # of the rows that are kept
CONFIGS = {
    "owlv2": {"model_type": "owlv2", "vision_config": {"image_size": 24, "patch_size": 8}},
    "sam2": sam2_config(),
    "sam2_no_rope": {k: v for k, v in sam2_config().items() if not k.startswith(("rope_", "memory_attention_rope_theta"))},
    "vjepa2": {"model_type": "vjepa2", "crop_size": 16, "patch_size": 8},
}


def owlv2_cases():
    size = {"height": 24, "width": 24}
    flat = lambda **fields: {IMAGE: {"size": size, **fields}}
    nested = {"image_processor": {"size": size, "image_mean": A}, "processor_class": "Owlv2Processor"}
    yield "plain", flat(), "wide", None
    yield "saved by release 5", {JOINT: nested}, "wide", None
    yield "both, different", {JOINT: nested, IMAGE: {"size": size, "image_mean": B, "do_pad": False}}, "wide", None
    yield "old joint file", {JOINT: {"processor_class": "Owlv2Processor", "image_mean": A}, **flat(image_mean=B)}, "wide", None
    yield "nested null", {JOINT: {"image_processor": None}, **flat(image_mean=B)}, "wide", None
    for image in IMAGES:
        yield f"do_pad null, {image}", flat(do_pad=None), image, None
    yield "do_pad false", flat(do_pad=False), "wide", None
    yield "size a list", {IMAGE: {"size": [24, 24]}}, "high", None
    yield "size a number", {IMAGE: {"size": 24}}, "high", None
    yield "do_normalize null", flat(do_normalize=None), "wide", None
    yield "one mean for all", flat(image_mean=0.4, image_std=0.25), "wide", None
    yield "fast class", flat(image_processor_type="Owlv2ImageProcessorFast"), "wide", None
    yield "old class", flat(feature_extractor_type="Owlv2FeatureExtractor"), "wide", None
    yield "resample unused", flat(resample=3), "wide", None
    # What the reference cannot compute either.
    yield "size too short", {IMAGE: {"size": [24]}}, "wide", "size"
    yield "size a side", {IMAGE: {"size": {"shortest_edge": 24}}}, "wide", "size"
    yield "size null", {IMAGE: {"size": None}}, "wide", "size"
    yield "mean null", flat(image_mean=None), "wide", "image_mean"
    yield "factor null", flat(rescale_factor=None), "wide", "rescale_factor"
    yield "do_resize null", flat(do_resize=None), "wide", "do_resize"
    yield "nested list", {JOINT: {"image_processor": [1]}, **flat()}, "wide", "image_processor"
    yield "unknown class", flat(image_processor_type="Nonsense"), "wide", "Nonsense"
    yield "old joint file alone", {JOINT: {"size": size}}, "wide", IMAGE
    yield "none", {}, "wide", JOINT
    # What only the reference computes.
    yield "OWL-ViT's class", flat(image_processor_type="OwlViTImageProcessor"), "wide", "*OwlViTImageProcessor"
    yield "OWL-ViT's old class", flat(feature_extractor_type="OwlViTFeatureExtractor"), "wide", "*feature_extractor_type"
    yield "do_rescale null", flat(do_rescale=None), "wide", "*do_rescale"
    yield "rescale false", flat(rescale=False), "wide", "*rescale"


def sam2_cases(video):
    size = {"height": 32, "width": 32}
    flat = lambda **fields: {IMAGE: {"size": size, **fields}}
    nested_image, nested_video = {"size": size, "image_mean": A}, {"size": size, "image_mean": B}
    files = {IMAGE: {"size": size, "image_mean": C}, VIDEO: {"size": size, "image_mean": D}}
    yield "every file", {JOINT: {"image_processor": nested_image, "video_processor": nested_video}, **files}, "wide", None
    yield "old files", {JOINT: {"processor_class": "Sam2VideoProcessor", "target_size": 32}, **files}, "wide", None
    yield "image's file alone", {IMAGE: files[IMAGE]}, "wide", None
    yield "nested image, image's file", {JOINT: {"image_processor": nested_image}, IMAGE: files[IMAGE]}, "wide", None
    yield "nested image, video's file", {JOINT: {"image_processor": nested_image}, VIDEO: files[VIDEO]}, "wide", None
    yield "nested null", {JOINT: {"image_processor": None, "video_processor": None}, **files}, "wide", None
    yield "size a list", {IMAGE: {"size": [32, 32]}}, "high", None
    yield "size a number", {IMAGE: {"size": 32}}, "high", None
    yield "do_pad null", flat(do_pad=None, pad_size=None, do_center_crop=None), "wide", None
    yield "do_normalize false", flat(do_normalize=False), "wide", None
    yield "do_rescale null", flat(do_rescale=None), "wide", None
    yield "one mean for all", flat(image_mean=0.4, image_std=0.25), "wide", None
    yield "fast class", flat(image_processor_type="Sam2ImageProcessorFast"), "small", None
    yield "size null", {IMAGE: {"size": None}}, "wide", "size"
    yield "std null", flat(image_std=None), "wide", "image_std"
    yield "resample null", flat(resample=None), "wide", "resample"
    yield "bicubic", flat(resample=3), "wide", "*resample"
    yield "do_resize false", flat(do_resize=False), "wide", "*do_resize"
    yield "crop", flat(do_center_crop=True, crop_size=16), "wide", "*do_center_crop"
    yield "size a side", {IMAGE: {"size": {"shortest_edge": 32}}}, "wide", "*size"
    if video:
        yield "video class", flat(video_processor_type="Sam2VideoVideoProcessor"), "wide", None
        yield "unknown class", flat(video_processor_type="Sam3VideoVideoProcessor"), "wide", "Sam3VideoVideoProcessor"
        yield "another class", flat(video_processor_type="VJEPA2VideoProcessor"), "wide", "*VJEPA2VideoProcessor"
    else:
        yield "SAM 1's class", flat(image_processor_type="SamImageProcessor"), "wide", "SamImageProcessor"
        yield "SAM 3's class", flat(image_processor_type="Sam3ImageProcessorFast"), "wide", "*Sam3ImageProcessorFast"
        padded = flat(do_pad=True, pad_size={"height": 40, "width": 40})
        yield "padding", padded, "wide", "*do_pad"


def vjepa2_cases():
    flat = lambda **fields: {VIDEO: {"crop_size": 16, **fields}}
    files = {IMAGE: {"crop_size": 16, "image_mean": C}, VIDEO: {"crop_size": 16, "image_mean": D}}
    joint = {"image_processor": {"crop_size": 16, "image_mean": A}, "video_processor": {"crop_size": 16, "image_mean": B}}
    yield "every file", {JOINT: joint, **files}, "wide", None
    yield "old files", files, "wide", None
    yield "image's file alone", {IMAGE: files[IMAGE]}, "wide", None
    yield "crop of two sides", flat(crop_size={"height": 16, "width": 16}), "high", None
    yield "any size", flat(size=[3]), "high", None
    yield "do_normalize null", flat(do_normalize=None), "wide", None
    yield "do_rescale false", flat(do_rescale=False), "wide", None
    yield "one mean for all", flat(image_mean=0.4, image_std=0.25), "small", None
    yield "image class", flat(image_processor_type="VJEPA2ImageProcessor"), "wide", None
    yield "crop of one side", flat(crop_size={"height": 16}), "wide", "crop_size"
    yield "crop null", flat(crop_size=None), "wide", "crop_size"
    yield "mean null", flat(image_mean=None), "wide", "image_mean"
    yield "unknown class", flat(video_processor_type="Nonsense"), "wide", "Nonsense"
    yield "joint file without video", {JOINT: {"image_processor": joint["image_processor"]}}, "wide", VIDEO
    yield "another class", flat(video_processor_type="Sam2VideoVideoProcessor"), "wide", "*Sam2VideoVideoProcessor"
    yield "no crop", flat(do_center_crop=None), "wide", "*do_center_crop"
    yield "bicubic", flat(resample=3), "wide", "*resample"


ROPES = [
    {},
    {"memory_attention_rope_theta": 100.0},
    {"rope_parameters": {"rope_type": "axial", "rope_theta": 100.0}},
    {"rope_parameters": {"rope_type": "default"}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
    {"rope_parameters": {"rope_theta": 100.0}},
    {"rope_parameters": {"type": "axial", "rope_theta": 100.0}},
    {"rope_parameters": {}},
    {"rope_parameters": None},
    {"memory_attention_rope_theta": 100.0, "rope_parameters": {"rope_type": "axial", "rope_theta": 50.0}},
    {"memory_attention_rope_theta": 100.0, "rope_parameters": {"rope_type": "default"}},
    {"rope_theta": 100.0},
    {"rope_theta": 100.0, "rope_parameters": {"rope_type": "axial", "rope_theta": 50.0}},
    {"rope_theta": 100.0, "memory_attention_rope_theta": 50.0},
    {"rope_scaling": {"rope_theta": 30.0}, "rope_parameters": {"rope_theta": 50.0}},
    {"rope_scaling": {}, "rope_parameters": {"rope_theta": 50.0}},
    {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 100.0}},
    {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
]
LABELS = [{"0": "cat", "1": "dog"}, {"0": 5, "1": -12}, {"0": True, "1": "caf\u00e9"}]


def picture(height, width, seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 90 * np.sin(0.3 * (k + 1) * x + 0.2 * y) * np.cos(0.25 * y - k) for k in range(3)]
    return (np.stack(waves, -1) + random.normal(0, 15, (height, width, 3))).clip(0, 255).astype(np.uint8)


def write_folder(folder, config, files):
    for name, value in {"config.json": config, **files}.items():
        (folder / name).write_text(json.dumps(value))


def prepare(model, folder, pixels):
    """What the reference's own choice of a processor gives."""
    if model in ("owlv2", "sam2"):
        processor = AutoImageProcessor.from_pretrained(folder)
        return processor(images=Image.fromarray(pixels), return_tensors="pt").pixel_values[0].permute(1, 2, 0)
    processor = AutoVideoProcessor.from_pretrained(folder)
    return processor(videos=[pixels[None]], return_tensors="pt").pixel_values_videos[0, 0].permute(1, 2, 0)


def attempt(model, config, files, pixels):
    with tempfile.TemporaryDirectory() as name:
        write_folder(Path(name), config, files)
        try:
            return prepare(model, name, pixels)
        except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError):
            return None


def pixel_cases(tensors):
    groups = {"owlv2": owlv2_cases(), "sam2": sam2_cases(False), "sam2_video": sam2_cases(True), "vjepa2": vjepa2_cases()}
    for model, group in groups.items():
        for index, (name, files, image, refused) in enumerate(group):
            config = model.removesuffix("_video")
            values = attempt(model, CONFIGS[config], files, tensors[f"image.{image}"])
            case = dict(name=name, model=model, config=config, files=files, image=f"image.{image}")
            side = 16 if model == "vjepa2" else 24 if model == "owlv2" else 32
            if refused is None:
                if values is None and model.startswith("sam2") and name.startswith("nested image"):
                    continue  # one of the two kinds has no file of its own there
                assert values is not None and values.shape == (side, side, 3), (model, name)
                case["values"] = f"{model}.{index}"
                tensors[case["values"]] = np.ascontiguousarray(values[::STEP].float().numpy())
            else:
                only_here = refused.startswith("*")
                assert (values is not None) == only_here, (model, name, refused)
                case["mentions"] = refused.removeprefix("*")
            yield case


def rope_cases():
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoVisionRotaryEmbedding

    for index, fields in enumerate(ROPES):
        config = CONFIGS["sam2_no_rope"] | fields
        case = dict(name=f"rope {index}", model="sam2_video", config="sam2_no_rope", changes=fields, files={IMAGE: {"size": 32}})
        with tempfile.TemporaryDirectory() as name:
            write_folder(Path(name), config, {})
            try:
                read = AutoConfig.from_pretrained(name)
                Sam2VideoVisionRotaryEmbedding(read)
                case["theta"] = float(read.rope_parameters["rope_theta"])
            except (ValueError, AttributeError):
                case["mentions"] = "rope_type"
        yield case


def label_cases():
    for index, labels in enumerate(LABELS):
        config = CONFIGS["vjepa2"] | {"id2label": labels}
        with tempfile.TemporaryDirectory() as name:
            write_folder(Path(name), config, {})
            read = AutoConfig.from_pretrained(name).id2label
        printed = [str(read[i]) for i in range(len(read))]
        changes = {"id2label": labels}
        yield dict(name=f"labels {index}", model="vjepa2", config="vjepa2", changes=changes, files={VIDEO: {"crop_size": 16}}, labels=printed)


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    folder = DATA / "processors"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tensors = {f"image.{name}": picture(*size, seed) for seed, (name, size) in enumerate(IMAGES.items(), 5)}
    cases = [*pixel_cases(tensors), *rope_cases(), *label_cases()]
    # The processor as a whole chooses alike.
    with tempfile.TemporaryDirectory() as name:
        size = {"height": 32, "width": 32}
        joint = {"image_processor": {"size": size, "image_mean": A}, "video_processor": {"size": size, "image_mean": B}}
        write_folder(Path(name), sam2_config(), {JOINT: joint, IMAGE: {"size": size, "image_mean": C}})
        whole = AutoProcessor.from_pretrained(name)
        assert list(whole.image_processor.image_mean) == A and list(whole.video_processor.image_mean) == B
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    configs = json.dumps(CONFIGS)
    (folder / "cases.json").write_text(f'{{"configs": {configs},\n"cases": [\n{lines}\n]}}\n', encoding="utf-8")
    save_file(tensors, folder / "expected.safetensors")
    for path in folder.iterdir():
        path.chmod(0o644)
    print(f"{len(cases)} cases, {sum(f.stat().st_size for f in folder.iterdir()) / 1024:.0f} KB")


if __name__ == "__main__":
    main()
