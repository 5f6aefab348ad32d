"""The reference's modules as ONNX graphs, for the peers that read these; kept in a folder, made once."""

import json
import shutil
import sys
import time
import zlib

import numpy as np

from rows import FILL

INPUTS = {  # names of each graph's inputs
    "detect": ["pixel_values", "input_ids", "attention_mask"],
    "encode": ["pixel_values"],
    "decode": ["s0", "s1", "image_embedding", "boxes"],
    "score": ["pixel_values_videos"],
    "recall": ["s0", "s1", "image_embedding", "position", "memory", "memory_position"],
}


def fold_positions(backbone, side):
    """Its position embedding at this size as a constant: OpenVINO takes minutes to fold the resize of it."""
    import torch

    with torch.no_grad():
        backbone.register_buffer("kept_positions", backbone._get_pos_embed((side, side)).detach().clone())
    backbone._get_pos_embed = lambda size: backbone.kept_positions


def reference(kind, count, folder):
    """The reference's model in f32, with a forward pass that takes and gives plain tensors."""
    import torch

    torch.manual_seed(0)
    if kind == "detect":
        from transformers import Owlv2ForObjectDetection

        model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()

        def forward(pixel_values, input_ids, attention_mask):
            output = model(pixel_values=pixel_values, input_ids=input_ids, attention_mask=attention_mask)
            return output.logits, output.pred_boxes

    elif kind == "score":
        from transformers import VJEPA2Model

        model = VJEPA2Model.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()

        def forward(pixel_values_videos):
            return model(pixel_values_videos, skip_predictor=True).last_hidden_state

    elif kind == "recall":
        from transformers import Sam2VideoModel

        model = Sam2VideoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()

        def forward(s0, s1, image_embedding, position, memory, memory_position):
            """What one object of a frame takes after the encoder: attention to its memory, its mask, its new memory."""
            here = image_embedding.flatten(2).permute(2, 0, 1)
            recalled = model.memory_attention(
                current_vision_features=here, current_vision_position_embeddings=position, memory=memory,
                memory_posision_embeddings=memory_position, num_object_pointer_tokens=pointer_tokens(FILL, model.config),
            )
            recalled = recalled.squeeze(1).transpose(1, 2).reshape(image_embedding.shape)
            output = model._single_frame_forward(image_embeddings=[s0, s1, recalled], multimask_output=True)
            features, _ = model._encode_new_memory(here, output.high_res_masks, output.object_score_logits, False)
            return output.pred_masks, features.float(), output.object_pointer

    else:
        from transformers import Sam2Model

        model = Sam2Model.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
        if kind == "encode":
            fold_positions(model.vision_encoder.backbone, shapes(kind, count, folder)["pixel_values"][0][-1] // 4)

            def forward(pixel_values):
                return tuple(model.get_image_embeddings(pixel_values))

        else:

            def forward(s0, s1, image_embedding, boxes):
                output = model(image_embeddings=[s0, s1, image_embedding], input_boxes=boxes, multimask_output=False)
                return output.pred_masks, output.iou_scores, output.object_score_logits

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *inputs):
            return forward(*inputs)

    return Plain().eval()


def pointer_tokens(frames, config):
    """Tokens that object pointers of so many frames are."""
    if isinstance(config, dict):
        width, narrow = config["vision_config"].get("fpn_hidden_size", 256), config.get("memory_encoder_output_channels", 64)
        return min(frames, config.get("max_object_pointers_in_encoder", 16)) * (width // narrow)
    return pointer_tokens(frames, config.to_dict())


def shapes(kind, count, folder):
    """Name -> (shape, dtype) of the graph's inputs; `count` prompts, boxes or frames."""
    config = json.loads((folder / "config.json").read_text())
    if kind == "detect":
        side = config["vision_config"].get("image_size", 768)
        length = config["text_config"].get("max_position_embeddings", 16)
        values = [((1, 3, side, side), "float32"), ((count, length), "int64"), ((count, length), "int64")]
    elif kind == "score":
        side = config.get("crop_size", 256)
        values = [((1, count, 3, side, side), "float32")]
    else:
        backbone = config["vision_config"].get("backbone_config", {})
        side = (backbone.get("image_size") or [config.get("image_size", 1024)])[0]
        if kind == "encode":
            values = [((1, 3, side, side), "float32")]
        else:
            width = config["vision_config"].get("fpn_hidden_size", 256)
            values = [
                ((1, width // 8, side // 4, side // 4), "float32"), ((1, width // 4, side // 8, side // 8), "float32"),
                ((1, width, side // 16, side // 16), "float32"),
            ]
            if kind == "decode":
                values.append(((1, count, 4), "float32"))
            else:
                here, narrow = (side // 16) ** 2, config.get("memory_encoder_output_channels", 64)
                tokens = min(FILL, config.get("num_maskmem", 7)) * here + pointer_tokens(FILL, config)
                values += [((here, 1, width), "float32"), ((tokens, 1, narrow), "float32"), ((tokens, 1, narrow), "float32")]
    return dict(zip(INPUTS[kind], values))


def example(kind, count, folder, seed=3):
    """Arrays for the graph's inputs."""
    generator = np.random.default_rng(seed)
    made = {}
    for name, (shape, dtype) in shapes(kind, count, folder).items():
        if name == "boxes":
            corner = generator.uniform(20, 500, (1, count, 2))
            made[name] = np.concatenate([corner, corner + 200], -1).astype(np.float32)
        elif name == "attention_mask":
            made[name] = np.ones(shape, dtype)
        elif dtype == "int64":
            made[name] = generator.integers(1, 400, shape, dtype=dtype)
        else:
            made[name] = generator.standard_normal(shape, dtype=dtype)
    return made


def place(kind, count, model, cache):
    """Where the graph of these very weights is kept."""
    weights = max(model.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    identity = f"{weights.resolve()} {weights.stat().st_size} {weights.stat().st_mtime_ns}"
    return cache / f"{model.name}-{zlib.crc32(identity.encode()):08x}-{kind}-{count}"


def complete(folder, name, make):
    """The file `name` in `folder`, which `make(folder)` leaves there; half a one is never taken for whole."""
    if not (folder / "complete").exists():
        print(f"  making {folder} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        (folder / "complete").write_text(f"{time.perf_counter() - start:.1f} s\n")
    return folder / name


def graph(kind, count, model, cache):
    """The ONNX file of this model for this many prompts, boxes or frames."""

    def make(folder):
        import torch

        module = reference(kind, count, model)
        inputs = example(kind, count, model)
        tensors = tuple(torch.from_numpy(value) for value in inputs.values())
        with torch.no_grad():
            torch.onnx.export(
                module, tensors, str(folder / "model.onnx"), input_names=list(inputs), opset_version=18, dynamo=True,
                external_data=True, optimize=True, verbose=False,
            )

    return complete(place(kind, count, model, cache), "model.onnx", make)


def graph_int8(kind, count, model, cache):
    """The same, its products in int8 by ONNX Runtime's dynamic quantisation, weights by channel."""

    def make(folder):
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            graph(kind, count, model, cache), folder / "model.onnx", op_types_to_quantize=["MatMul", "Gemm"], per_channel=True,
            weight_type=QuantType.QInt8, use_external_data_format=True,
        )

    return complete(place(f"{kind}-int8", count, model, cache), "model.onnx", make)


def openvino_int8(kind, count, model, cache):
    """OpenVINO's IR in int8 by NNCF's calibration, on a few random inputs: its time is asked for, not its accuracy."""

    def make(folder):
        import nncf
        import openvino

        data = nncf.Dataset([example(kind, count, model, seed) for seed in range(2)])
        float_model = openvino.Core().read_model(graph(kind, count, model, cache))
        openvino.save_model(nncf.quantize(float_model, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=2), folder / "model.xml")

    return complete(place(f"{kind}-openvino-int8", count, model, cache), "model.xml", make)
