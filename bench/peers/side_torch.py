"""PyTorch's side: the reference as its users run it, processors included."""

import contextlib
import time

import rows


class Missing(Exception):
    """This side cannot do that; the text says why."""


class Side:
    def __init__(self, variant, threads, device, cache):
        try:
            import torch
            import transformers
        except ImportError as error:
            raise Missing(f"{error.name} is not installed") from None
        transformers.logging.set_verbosity_error()
        if device != "cpu" and not torch.cuda.is_available():
            raise Missing("this PyTorch sees no GPU")
        self.torch, self.device = torch, device
        self.narrow, self.compiled = "bf16" in variant, "compiled" in variant
        torch.set_num_threads(threads)
        # On a GPU the model itself is bf16, as its users have it; on the CPU autocast is the one line that they add.
        self.dtype = torch.bfloat16 if self.narrow and device != "cpu" else torch.float32
        self.models = {}

    def open(self, model_class, folder):
        """The model, once; a new kind takes the place of the one before."""
        key = (model_class.__name__, str(folder))
        if key not in self.models:
            self.models.clear()
            model = model_class.from_pretrained(folder, dtype=self.dtype, attn_implementation="sdpa").eval()
            self.models[key] = model.to(self.device)
        return self.models[key]

    def maybe_compiled(self, function):
        return self.torch.compile(function) if self.compiled else function

    def autocast(self):
        if self.narrow and self.device == "cpu":
            return self.torch.autocast("cpu", dtype=self.torch.bfloat16)
        return contextlib.nullcontext()

    def wait(self):
        if self.device != "cpu":
            self.torch.cuda.synchronize()

    def row(self, kind, count, extra, folder, frames, nouns):
        self.frames, self.count, self.extra = frames, count, extra
        self.at = 0
        getattr(self, f"make_{kind}")(folder, nouns[:count])

    def run(self):
        with self.torch.no_grad(), self.autocast():
            forward, found = self.step()
        return {"forward": forward, "found": found}

    def timed(self, call):
        """What it gives, and its seconds."""
        self.wait()
        start = time.perf_counter()
        value = call()
        self.wait()
        return value, time.perf_counter() - start

    def next_frame(self):
        frame = self.frames[self.at % len(self.frames)]
        self.at += 1
        return frame

    # ---- the rows ----

    def make_detect(self, folder, nouns):
        from PIL import Image
        from transformers import Owlv2ForObjectDetection

        import owlv2_models

        model = self.open(Owlv2ForObjectDetection, folder)
        forward = self.maybe_compiled(model.forward)
        processor = owlv2_models.processor_of(folder)
        length = model.config.text_config.max_position_embeddings
        images = [Image.fromarray(frame) for frame in self.frames[: self.extra]]
        texts = [f"a photo of {noun}" for noun in nouns]

        def step():
            inputs = owlv2_models.prepare(processor, texts, images, length).to(self.device)
            inputs["pixel_values"] = inputs["pixel_values"].to(self.dtype)
            output, seconds = self.timed(lambda: forward(**inputs))
            output.logits, output.pred_boxes = output.logits.float(), output.pred_boxes.float()
            found = processor.image_processor.post_process_object_detection(
                output, threshold=rows.THRESHOLD, target_sizes=[image.size[::-1] for image in images]
            )
            return seconds, sum(len(one["boxes"].cpu()) for one in found)

        self.step = step

    def segmenter(self, folder):
        from transformers import Sam2ImageProcessor, Sam2Model, Sam2Processor

        return self.open(Sam2Model, folder), Sam2Processor(Sam2ImageProcessor.from_pretrained(folder))

    def decoding(self, model, processor, boxes):
        size = [list(self.frames.shape[1:3])]
        forward = self.maybe_compiled(model.forward)

        def decode(embeddings):
            inputs = processor(original_sizes=size, input_boxes=[boxes], return_tensors="pt").to(self.device)
            output, seconds = self.timed(
                lambda: forward(
                    image_embeddings=[value.clone() for value in embeddings],
                    input_boxes=inputs["input_boxes"].to(self.dtype), multimask_output=False,
                )
            )
            masks = processor.post_process_masks(output.pred_masks.float().cpu(), size)
            return seconds, len(masks[0])

        return decode

    def make_encode(self, folder, nouns):
        model, processor = self.segmenter(folder)
        embed = self.maybe_compiled(model.get_image_embeddings)
        decode = self.decoding(model, processor, rows.boxes(1))

        def step():
            pixels = processor(images=self.next_frame(), return_tensors="pt")["pixel_values"].to(self.device, self.dtype)
            embeddings, seconds = self.timed(lambda: embed(pixels))
            if self.device != "cpu":  # as ours, whose encoder does not wait for a GPU
                seconds += decode(embeddings)[0]
            return seconds, 1

        self.step = step

    def make_decode(self, folder, nouns):
        model, processor = self.segmenter(folder)
        pixels = processor(images=self.frames[0], return_tensors="pt")["pixel_values"].to(self.device, self.dtype)
        with self.torch.no_grad(), self.autocast():
            embeddings = model.get_image_embeddings(pixels)
        decode = self.decoding(model, processor, rows.boxes(self.count))
        self.step = lambda: decode(embeddings)

    def make_track(self, folder, nouns):
        from transformers import Sam2ImageProcessor, Sam2VideoModel, Sam2VideoProcessor, Sam2VideoVideoProcessor

        model = self.open(Sam2VideoModel, folder)
        if self.compiled and not hasattr(model, "compiled_once"):
            model.vision_encoder.forward = self.torch.compile(model.vision_encoder.forward)
            model.memory_attention.forward = self.torch.compile(model.memory_attention.forward, dynamic=True)
            model.compiled_once = True
        processor = Sam2VideoProcessor(Sam2ImageProcessor.from_pretrained(folder), Sam2VideoVideoProcessor())
        processor.video_processor.size = processor.image_processor.size
        session = processor.init_video_session(inference_device=self.device, dtype=self.dtype)
        boxes = [rows.boxes(self.count)]

        def step():
            inputs = processor(images=self.next_frame(), device=self.device, return_tensors="pt")
            if self.at == 1:
                processor.add_inputs_to_inference_session(
                    inference_session=session, frame_idx=0, obj_ids=list(range(1, self.count + 1)), input_boxes=boxes,
                    original_size=inputs.original_sizes[0],
                )
            pixels = inputs.pixel_values[0].to(self.dtype)
            output, seconds = self.timed(lambda: model(inference_session=session, frame=pixels))
            processor.post_process_masks([output.pred_masks.float().cpu()], original_sizes=inputs.original_sizes, binarize=True)
            return seconds, self.count

        self.step = step
        for _ in range(self.extra):
            self.run()

    def make_score(self, folder, nouns):
        from transformers import AutoVideoProcessor, VJEPA2Model

        model = self.open(VJEPA2Model, folder)
        features = self.maybe_compiled(model.get_vision_features)
        processor = AutoVideoProcessor.from_pretrained(folder)
        torch = self.torch

        def step():
            clip = torch.stack([torch.from_numpy(self.next_frame().copy()) for _ in range(self.count)]).permute(0, 3, 1, 2)
            values = processor([clip.contiguous()], return_tensors="pt")["pixel_values_videos"].to(self.device, self.dtype)
            output, seconds = self.timed(lambda: features(values))
            output.float().var().item()
            return seconds, self.count

        self.step = step

    # ---- the machine ----

    def product(self, count, inputs, outputs):
        """The rate of one linear layer in this precision, GFLOP/s."""
        torch = self.torch
        dtype = torch.bfloat16 if self.narrow else torch.float32
        layer = torch.nn.Linear(inputs, outputs, bias=False).to(self.device, dtype)
        x = torch.full((count, inputs), 0.5, device=self.device, dtype=dtype)
        with torch.no_grad():
            times = sorted(self.timed(lambda: layer(x))[1] for _ in range(11))
        return {"gflops": 2e-9 * count * inputs * outputs / times[len(times) // 2]}

    def device_peak(self):
        if self.device == "cpu":
            return 0
        most = self.torch.cuda.max_memory_allocated()
        self.torch.cuda.reset_peak_memory_stats()
        return most
