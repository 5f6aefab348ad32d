"""The Optimization Guide: every import, class, argument and call that it shows, in its order, on the demo models.

Statements are the Guide's; models, and prompts that the small detector knows, are put in their place.
"""

import dataclasses
import json
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sowlv2
from conftest import DATA, ROOT
from sowlv2.data.config import PipelineBaseData, PipelineConfig
from sowlv2.optimizations import OptimizedSOWLv2Pipeline, ParallelConfig, create_vjepa2_optimizer

prompts = ["bus", "fox", "banana", "turtle"]
threshold = 0.1


def rows(folder):
    return [json.loads(line) for line in (Path(folder) / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the Guide's calls name."""
    place = tmp_path_factory.mktemp("guide")
    for name, scene in (("image", 1), ("test", 3), ("img1", 1), ("img2", 2), ("img3", 3), ("img4", 5)):
        shutil.copy(DATA / f"scene_00{scene}.jpg", place / f"{name}.jpg")
    (place / "frame_folder").mkdir()
    for scene in (1, 2):
        shutil.copy(DATA / f"scene_00{scene}.jpg", place / "frame_folder" / f"{scene:06d}.jpg")
    for name, clip in (("video", 1), ("video1", 1), ("video2", 2), ("video3", 1)):
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(DATA / f"clip_0{clip}.mp4"), "-frames:v", "12", str(place / f"{name}.mp4")],
            check=True,
        )  # fmt: skip
    return place


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def config():
    return PipelineBaseData(owl_model="demo", sam_model="demo", threshold=0.1, device="cuda", vjepa2_model="demo")


@pytest.fixture(scope="module")
def parallel_config():
    return ParallelConfig(max_workers=8, batch_size=4, use_gpu_batching=True, thread_pool_size=16)


@pytest.fixture(scope="module")
def pipeline(config, parallel_config):
    return OptimizedSOWLv2Pipeline(config, parallel_config)


@pytest.fixture(scope="module")
def frames(clip):
    """PIL images, as the Guide has them."""
    Image = pytest.importorskip("PIL.Image")
    taken = []
    with pytest.raises(sowlv2.CancelledError):
        sowlv2.run(
            clip,
            "rocket",
            on_frame=lambda frame: taken.append(frame.image) or len(taken) < 24,
            detector="demo",
            segmenter="demo",
        )
    return [Image.fromarray(image) for image in taken]


# ---- Quick Start --------------------------------------------------------------------------------


def test_quick_start(here, caplog):
    from sowlv2.data.config import PipelineBaseData
    from sowlv2.optimizations import OptimizedSOWLv2Pipeline, ParallelConfig

    parallel_config = ParallelConfig(
        max_workers=8,
        batch_size=4,
        use_gpu_batching=True,
        thread_pool_size=16,
    )
    config = PipelineBaseData(owl_model="demo", sam_model="demo", threshold=0.1, device="cuda")
    with caplog.at_level(logging.WARNING, "sowlv2"):
        pipeline = OptimizedSOWLv2Pipeline(config, parallel_config)
    assert pipeline.device.name.startswith("cuda") or "using the CPU" in caplog.text
    pipeline.process_image("image.jpg", prompts, "output/")
    assert sorted(item["prompt"] for item in rows("output")[0]["objects"]) == ["bus", "fox"]
    image_paths = ["img1.jpg", "img2.jpg", "img3.jpg"]
    pipeline.process_images_batch(image_paths, prompts, "output/")
    pipeline.process_video("video.mp4", prompts, "output/")
    # Three calls into one folder: all of it is there.
    assert [row["image"] for row in rows("output")] == ["image.jpg", "img1.jpg", "img2.jpg", "img3.jpg"]
    assert list(Path("output").glob("binary/frames/image_obj*_mask.png"))
    assert list(Path("output").glob("overlay/merged/img1_merged_overlay.png"))
    place = Path("output/video~2")  # "video" is one of the names that an output folder has for itself
    assert len(rows(place)) == 12 and list(place.glob("video/overlay/*.mp4"))


# ---- 1. V-JEPA 2 --------------------------------------------------------------------------------


def test_vjepa2_in_videos(here, config, parallel_config):
    from sowlv2.optimizations import create_vjepa2_optimizer

    pipeline = OptimizedSOWLv2Pipeline(config, parallel_config)
    vjepa2_optimizer = create_vjepa2_optimizer(config, enable_vjepa2=True)
    if vjepa2_optimizer:
        pipeline.vjepa2_optimizer = vjepa2_optimizer
    assert pipeline.vjepa2_optimizer is not None
    report = pipeline.process_video("video.mp4", prompts, "output_vjepa/")
    counts = report.parts[0].counts
    assert counts["frames"] == 12 and counts["filled_in"] > 0  # a quarter of the frames is not tracked
    pipeline.use_temporal_detection = True
    pipeline.temporal_detection_frames = 3
    pipeline.temporal_merge_threshold = 0.6
    assert pipeline.process_video("video.mp4", prompts, "output_two_passes/").parts[0].counts["detected_on"] == 3


def test_vjepa2_that_cannot_be_had(config, caplog):
    optimizer = create_vjepa2_optimizer(config, enable_vjepa2=False)
    assert optimizer is None
    missing = PipelineBaseData(owl_model="demo", sam_model="demo", vjepa2_model="/no/such/model")
    with caplog.at_level(logging.WARNING, "sowlv2"):
        optimizer = create_vjepa2_optimizer(missing, enable_vjepa2=True)
    if optimizer is None:
        print("V-JEPA 2 not available, using standard processing")
    assert optimizer is None and "/no/such/model" in caplog.text


# ---- 2. several prompts -------------------------------------------------------------------------


def test_multiple_prompts(pipeline, frames):
    detection_processor = pipeline.detection_processor
    image = frames[5]
    batch_results = detection_processor.detect_multiple_prompts_parallel(image, prompts, threshold)
    assert [result.prompt for result in batch_results] == prompts
    assert [result.prompt_idx for result in batch_results] == [0, 1, 2, 3]
    found = batch_results[prompts.index("turtle")].detections
    assert found[0]["core_prompt"] == "turtle" and found[0]["score"] > threshold and len(found[0]["box"]) == 4
    assert not batch_results[prompts.index("bus")].detections
    alone = detection_processor.detect_multiple_prompts_parallel(image, ["turtle"], threshold)
    assert np.allclose(alone[0].detections[0]["box"], found[0]["box"], atol=0.05)
    pairs = pipeline.segmentation_processor.segment_detections_parallel(image, found)
    assert pairs[0][0] is found[0] and pairs[0][1].shape == (image.height, image.width) and pairs[0][1].max() == 255


# ---- 3. batches ---------------------------------------------------------------------------------


def test_image_batches(here, pipeline):
    image_paths = ["img1.jpg", "img2.jpg", "img3.jpg", "img4.jpg"]
    report = pipeline.process_images_batch(image_paths, prompts, "output_batch/")
    assert report.done == 4
    pipeline.process_frames("frame_folder/", prompts, "output_frames/")
    assert [row["image"] for row in rows("output_frames")] == ["000001.jpg", "000002.jpg"]


def test_a_bad_image_in_a_batch(here, pipeline, caplog):
    Path("bad.jpg").write_bytes(b"no picture")
    with caplog.at_level(logging.WARNING, "sowlv2"):
        report = pipeline.process_images_batch(["img1.jpg", "bad.jpg", "gone.jpg"], prompts, "output_bad/")
    assert (report.done, report.failed) == (1, 2)
    assert "bad.jpg" in caplog.text and "gone.jpg" in caplog.text
    with pytest.raises(FileNotFoundError):
        pipeline.process_image("gone.jpg", prompts, "output_bad/")
    with pytest.raises((ValueError, sowlv2.Error), match="bad.jpg"):
        pipeline.process_image("bad.jpg", prompts, "output_bad/")


def test_video_batches(here, pipeline):
    video_paths = ["video1.mp4", "video2.mp4", "video3.mp4"]
    Path("broken.mp4").write_bytes(b"no film")
    done = pipeline.process_videos_batch([*video_paths[:2], "broken.mp4", video_paths[2]], prompts, "output_videos/")
    assert isinstance(done["broken.mp4"], Exception)
    for path in video_paths:
        assert done[path].done == 1
        assert len(rows(Path("output_videos") / Path(path).stem)) == 12
    assert 1 <= pipeline.videos_at_once(100) <= 8
    pipeline.parallel_config.max_workers, before = 1, pipeline.parallel_config.max_workers
    assert pipeline.videos_at_once(100) == 1
    pipeline.parallel_config.max_workers = before


# ---- 4. the GPU ---------------------------------------------------------------------------------


def test_gpu_configuration(pipeline, caplog):
    from sowlv2.optimizations.gpu_optimizations import GPUOptimizer

    with caplog.at_level(logging.INFO, "sowlv2"):
        gpu_optimizer = GPUOptimizer(device="cuda", memory_fraction=0.9, allow_growth=True)
    if gpu_optimizer.device == "cpu":
        assert "using the CPU" in caplog.text and "memory_fraction" in caplog.text
    owl_model, sam_model = pipeline.owl, pipeline.sam
    owl_model = gpu_optimizer.optimize_model_for_inference(owl_model)
    sam_model = gpu_optimizer.optimize_model_for_inference(sam_model)
    assert owl_model.device.name == sam_model.device.name == gpu_optimizer.device
    assert gpu_optimizer.free_memory() > 0 and gpu_optimizer.profile_gpu_memory()["total"] > 0

    class Module:  # what torch's look like from here
        def parameters(self):
            return iter(())

    with pytest.raises(TypeError, match="sowlv2.Detector"):
        gpu_optimizer.optimize_model_for_inference(Module())
    with pytest.raises(ValueError, match="memory_fraction"):
        GPUOptimizer(device="cpu", memory_fraction=1.5)
    gpu_optimizer.clear_cache()


def test_gpu_memory_limits_reach_the_device(monkeypatch):
    from sowlv2.optimizations import gpu_optimizations

    given = []

    class Opened:
        name = "cuda:0"
        precision = "bf16"

        def __init__(self, name, **options):
            given.append((name, options))

        def memory(self):
            return 1000, 900

    entry = sowlv2.devices()[0]
    monkeypatch.setattr(gpu_optimizations, "Device", Opened)
    assert gpu_optimizations.GPUOptimizer("cuda", memory_fraction=0.5).free_memory() == 400
    gpu_optimizations.GPUOptimizer("cuda:1", memory_fraction=0.25, allow_growth=False)
    gpu_optimizations.GPUOptimizer("cpu", memory_fraction=0.25)
    monkeypatch.setattr(gpu_optimizations, "devices", lambda: [dataclasses.replace(entry, kind="cuda")])
    gpu_optimizations.GPUOptimizer("auto", memory_fraction=0.75)
    assert [(name, options.get("memory_fraction"), options.get("memory_at_once")) for name, options in given] == [
        ("cuda", 0.5, False),
        ("cuda:1", 0.25, True),
        ("cpu", None, None),
        ("auto", 0.75, False),
    ]


def test_memory_limits_are_a_gpus(monkeypatch):
    with pytest.raises(ValueError, match="of a GPU only"):
        sowlv2.Device("cpu", memory_fraction=0.5)


# ---- 5. writing ---------------------------------------------------------------------------------


def test_parallel_io(tmp_path, parallel_config, frames, caplog):
    from sowlv2.optimizations.parallel_processor import ParallelIOProcessor

    io_processor = ParallelIOProcessor(parallel_config)
    path1, path2, path3 = (str(tmp_path / "new" / name) for name in ("1.png", "2.jpg", "3.png"))
    image1, image2, image3 = frames[0], frames[1], np.asarray(frames[2])
    save_tasks = [(path1, image1), (path2, image2), (path3, image3)]
    io_processor.save_outputs_parallel(save_tasks)
    assert np.array_equal(sowlv2.decode(path1), np.asarray(image1))
    assert np.array_equal(sowlv2.decode(path3), image3) and Path(path2).is_file()
    written = io_processor.save_outputs_parallel([(path1 + "/below a file.png", image1), (path2, image2)])
    assert written == [Path(path2)] and "below a file" in caplog.text
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["1.png", "2.jpg", "3.png"]


# ---- Configuration Tuning -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"max_workers": 4, "batch_size": 2, "use_gpu_batching": True},
        {"max_workers": 6, "batch_size": 4, "use_gpu_batching": True},
        {"max_workers": 8, "batch_size": 8, "use_gpu_batching": True},
        {"max_workers": 16, "batch_size": 1, "use_gpu_batching": False, "thread_pool_size": 32},
    ],
)
def test_tuning(fields):
    parallel_config = ParallelConfig(**fields)
    assert parallel_config.images_at_once == (fields["batch_size"] if fields["use_gpu_batching"] else 1)
    assert all(getattr(parallel_config, name) == value for name, value in fields.items())


def test_each_field_reaches_the_engine(here, pipeline, monkeypatch):
    from sowlv2.optimizations import optimized_pipeline

    given = {}
    true = optimized_pipeline.run

    def note(*arguments, **options):
        given.update(options)
        return true(*arguments, **options)

    monkeypatch.setattr(optimized_pipeline, "run", note)
    pipeline.process_images_batch(["img1.jpg"], prompts, "output_fields/")
    assert (given["batch_size"], given["io_threads"]) == (4, 16)
    pipeline.parallel_config.batch_size = 2
    pipeline.process_images_batch(["img2.jpg"], prompts, "output_fields/")
    assert given["batch_size"] == 2
    pipeline.parallel_config.use_gpu_batching = False
    pipeline.process_images_batch(["img3.jpg"], prompts, "output_fields/")
    assert given["batch_size"] == 1
    pipeline.parallel_config.batch_size, pipeline.parallel_config.use_gpu_batching = 4, True
    one = OptimizedSOWLv2Pipeline(pipeline.config, ParallelConfig(max_workers=1))
    assert one.device.name.startswith("cuda") or one.owl.device.threads == 1
    for wrong in ({"batch_size": 0}, {"max_workers": 0}, {"thread_pool_size": -1}):
        with pytest.raises(ValueError):
            ParallelConfig(**wrong)
    with pytest.raises(TypeError):
        ParallelConfig(batch_size="many")


def test_what_is_written(here, config):
    only = PipelineBaseData(
        owl_model="demo", sam_model="demo", fps=5, pipeline_config=PipelineConfig(merged=False, binary=True, overlay=False)
    )  # fmt: skip
    pipeline = OptimizedSOWLv2Pipeline(only)
    pipeline.process_image("image.jpg", "bus", "output_only/")
    assert not Path("output_only/overlay").exists() and not Path("output_only/binary/merged").exists()
    assert list(Path("output_only/binary/frames").glob("*.png"))
    assert len(rows_of_video(pipeline)) < 12  # at 5 frames a second
    defaults = PipelineBaseData()
    assert defaults.owl_model == "google/owlv2-base-patch16-ensemble" and defaults.threshold == 0.1
    assert defaults.sam_model == "facebook/sam2.1-hiera-small" and defaults.pipeline_config == PipelineConfig()


def rows_of_video(pipeline):
    pipeline.process_video("video.mp4", "banana", "output_rate/")
    return rows("output_rate")


def test_another_jobs_results_are_replaced_and_said(here, pipeline, caplog):
    pipeline.process_image("image.jpg", ["bus"], "output_jobs/")
    with caplog.at_level(logging.WARNING, "sowlv2"):
        pipeline.process_image("image.jpg", ["fox"], "output_jobs/")
    assert "replaced" in caplog.text
    assert [item["prompt"] for item in rows("output_jobs")[0]["objects"]] == ["fox"]


# ---- V-JEPA 2 Advanced Usage --------------------------------------------------------------------


def test_custom_frame_selection(config, frames):
    from sowlv2.optimizations.vjepa2_optimization import VJepa2VideoOptimizer

    vjepa2_optimizer = VJepa2VideoOptimizer(config, model_name="demo", frames_per_clip=16, device="cuda")
    importance_scores = vjepa2_optimizer.get_temporal_importance_scores(frames)
    assert len(importance_scores) == len(frames) and min(importance_scores) == 0 and max(importance_scores) == 1
    with_motion = vjepa2_optimizer.get_motion_aware_importance_scores(frames, motion_weight=0.5)
    assert len(with_motion) == len(frames) and with_motion != importance_scores
    target_frames = 8
    selected_indices = vjepa2_optimizer.optimize_frame_selection(frames, target_frames)
    assert len(selected_indices) == 8 and selected_indices == sorted(set(selected_indices))
    features = vjepa2_optimizer.extract_video_features(frames[:16])
    model = vjepa2_optimizer.model
    assert features.dtype == np.float32 and features.shape[0] == 1 and features.shape[2] == model.width
    all_frames = frames
    clips_and_features = vjepa2_optimizer.batch_process_video_clips(all_frames, batch_size=4)
    assert [len(clip) for clip, _ in clips_and_features] == [16, 8]
    assert np.array_equal(clips_and_features[0][1], features)
    for wrong in (lambda: vjepa2_optimizer.get_temporal_importance_scores([]),
                  lambda: vjepa2_optimizer.optimize_frame_selection(frames, 0),
                  lambda: VJepa2VideoOptimizer(config, frames_per_clip=0)):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()


def test_few_frames(config, frames):
    from sowlv2.optimizations import VJepa2VideoOptimizer

    optimizer = VJepa2VideoOptimizer(config)
    assert len(optimizer.get_temporal_importance_scores(frames[:3])) == 3
    assert optimizer.extract_video_features(frames[:2]).shape[0] == 1


# ---- Troubleshooting ----------------------------------------------------------------------------


def test_memory_management(parallel_config):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        memory_gb = torch.cuda.get_device_properties(0).total_memory / (1024**3)
        if memory_gb < 8:
            parallel_config.batch_size = 2
        elif memory_gb < 12:
            parallel_config.batch_size = 4
        else:
            parallel_config.batch_size = 8


def test_timing(here, pipeline):
    start_time = time.time()
    pipeline.process_image("test.jpg", ["cat"], "output_timing/")
    elapsed = time.time() - start_time
    print(f"Processing time: {elapsed:.2f}s")
    assert elapsed < 60


# ---- Best Practices -----------------------------------------------------------------------------


def test_groups_of_prompts(here, pipeline):
    animal_prompts = ["cat", "dog", "frog", "fish"]
    vehicle_prompts = ["car", "truck", "bicycle", "bus"]
    pipeline.process_image("image.jpg", animal_prompts, "output_groups/animals/")
    pipeline.process_image("image.jpg", vehicle_prompts, "output_groups/vehicles/")
    assert [item["prompt"] for item in rows("output_groups/vehicles")[0]["objects"]] == ["bus"]


def test_batch_size_tuning(here, pipeline, monkeypatch):
    parallel_config = pipeline.parallel_config
    tried = []

    def tune():
        batch_sizes = [2, 4, 6, 8]
        for batch_size in batch_sizes:
            try:
                parallel_config.batch_size = batch_size
                pipeline.process_image("test.jpg", ["cat"], "output_tuning/")
                tried.append((batch_size, "Success"))
            except RuntimeError as e:
                if "out of memory" in str(e):
                    tried.append((batch_size, "Too large"))
                    break

    tune()
    assert [size for size, _ in tried] == [2, 4, 6, 8]
    # An engine that is out of memory says it in the words that the Guide looks for.
    from sowlv2.optimizations import optimized_pipeline

    def full(*arguments, **options):
        raise sowlv2.OutOfMemoryError("activations: out of memory: close other programs or use smaller inputs")

    monkeypatch.setattr(optimized_pipeline, "run", full)
    tried.clear()
    tune()
    assert tried == [(2, "Too large")]
    parallel_config.batch_size = 4


def test_long_and_short_videos(here, pipeline):
    video_duration, video_path, output_dir = 1, "video.mp4", "output_strategy/"
    if video_duration > 60:
        pipeline.process_video(video_path, prompts, output_dir)
    else:
        pipeline.process_video(video_path, prompts, output_dir)
    assert len(rows(output_dir)) == 12


# ---- Contributing -------------------------------------------------------------------------------


def test_contributing(here, config, parallel_config):
    class NewOptimizer:
        def __init__(self, config: ParallelConfig):
            self.config = config

        def optimize(self, inputs):
            return [name for name in inputs if name.endswith(".jpg")]

    class MyPipeline(OptimizedSOWLv2Pipeline):
        def process_images_batch(self, image_paths, prompt, output_dir="output"):
            return super().process_images_batch(
                NewOptimizer(self.parallel_config).optimize(image_paths), prompt, output_dir
            )

    assert MyPipeline(config, parallel_config).process_images_batch(["img1.jpg", "x.txt"], ["bus"], "output_mine").done == 1


# ---- the interface page: names that the Guide's text does not call -------------------------------


def test_every_name_is_there():
    import sowlv2.optimizations as optimizations

    names = """OptimizedSOWLv2Pipeline ParallelConfig GPUOptimizer VJepa2VideoOptimizer create_vjepa2_optimizer
        ParallelDetectionProcessor ParallelSegmentationProcessor ParallelIOProcessor ParallelFrameProcessor
        BatchDetectionResult TemporalDetection TrackedObject compute_iou merge_temporal_detections
        select_key_frames_for_detection ModelOptimizations CachedModelWrapper StreamedProcessing TensorRTOptimizer
        IntelligentModelCache BatchConfig IntelligentBatchOptimizer"""
    for name in names.split():
        assert getattr(optimizations, name).__doc__, name
        assert name in optimizations.__all__


def test_temporal_detection():
    from sowlv2.optimizations import compute_iou, merge_temporal_detections, select_key_frames_for_detection

    assert compute_iou([0, 0, 10, 10], [5, 0, 15, 10]) == pytest.approx(1 / 3)
    assert compute_iou([0, 0, 10, 10], [20, 0, 30, 10]) == 0 and compute_iou([0, 0, 0, 0], [0, 0, 0, 0]) == 0
    scores = [0.0] * 60
    scores[5], scores[9], scores[40] = 0.9, 0.8, 0.7
    assert select_key_frames_for_detection(scores, 2) == [5, 40]  # 9 is too near to 5
    assert select_key_frames_for_detection(scores[:3], 8) == [0, 1, 2]

    def at(x, score, prompt="cat"):
        return {"box": [x, 0, x + 10, 10], "score": score, "core_prompt": prompt}

    objects = merge_temporal_detections(
        {0: [at(0, 0.5), at(100, 0.9, "dog")], 10: [at(1, 0.8)], 20: [at(2, 0.7), at(2, 0.6, "dog")]}, merge_threshold=0.7
    )
    assert [(item.core_prompt, len(item.detections)) for item in objects] == [("dog", 1), ("cat", 3), ("dog", 1)]
    cat = objects[1]
    assert cat.best_detection_idx == 1 and cat.best_detection.score == pytest.approx(0.8)
    assert [detection.frame_idx for detection in cat.detections] == [0, 10, 20]
    assert all(detection.sam_id == cat.object_id for detection in cat.detections)
    assert len({item.color for item in objects}) == 3
    assert merge_temporal_detections({}) == []
    with pytest.raises(ValueError):
        merge_temporal_detections({0: [at(0, 0.5)]}, merge_threshold=2)


def test_frame_processor(here, parallel_config, caplog):
    from sowlv2.optimizations import ParallelFrameProcessor

    def size(path, scale=1):
        return sowlv2.decode(path).shape[0] * scale

    paths = ["img1.jpg", "nothing.jpg", "img2.jpg"]
    assert ParallelFrameProcessor(parallel_config).process_frames_parallel(paths, size, scale=2) == [960, None, 1024]
    assert "frame 1" in caplog.text and "nothing.jpg" in caplog.text


def test_model_optimizations(pipeline):
    from sowlv2.optimizations import ModelOptimizations

    assert ModelOptimizations.optimize_sam_for_video(pipeline.sam) is pipeline.sam
    assert ModelOptimizations.optimize_owl_batch_processing(pipeline.owl) is pipeline.owl
    with pytest.raises(TypeError):
        ModelOptimizations.optimize_sam_for_video(object())


def test_cached_model_wrapper(here, pipeline, frames):
    from sowlv2.optimizations import CachedModelWrapper

    cached = CachedModelWrapper(pipeline.owl, cache_size=2)
    first = cached.detect(frames[5], prompts)
    assert cached.detect(frames[5].copy(), prompts) is first and (cached.hits, cached.misses) == (1, 1)
    assert cached.cached_forward(frames[5], prompts) is first
    assert cached.detect(frames[5], ["bus"]) is not first and cached.detect("img1.jpg", prompts) is not first
    assert cached.detect(frames[5], prompts) is not first  # two answers are kept
    assert cached.image_size == pipeline.owl.image_size
    twice = CachedModelWrapper(lambda value: [value])
    assert twice.cached_forward(3) is twice.cached_forward(3)


def test_streamed_processing(frames, pipeline):
    from sowlv2.optimizations import StreamedProcessing

    counts = StreamedProcessing(num_streams=3).process_with_streams(
        lambda image, words: len(pipeline.owl.detect(image, words)), frames[:6], prompts
    )
    assert counts == [len(pipeline.owl.detect(image, prompts)) for image in frames[:6]]
    with pytest.raises(ZeroDivisionError):
        StreamedProcessing().process_with_streams(lambda value: 1 / value, [1, 0])


def test_tensorrt(pipeline):
    from sowlv2.optimizations import TensorRTOptimizer

    with pytest.raises(sowlv2.UnsupportedError, match="ONNX"):
        TensorRTOptimizer.optimize_with_tensorrt(pipeline.owl, None, fp16=True)


def test_model_cache():
    from sowlv2.optimizations import IntelligentModelCache

    cache = IntelligentModelCache(device="cpu", max_models=2)
    owl = cache.load_model_lazy("owl", sowlv2.Detector, "demo", device="cpu")
    assert cache.load_model_lazy("owl", sowlv2.Detector, "demo") is owl
    sam = cache.load(sowlv2.Segmenter, "demo")
    assert cache.load(sowlv2.Segmenter, "demo") is sam
    cache.load_model_lazy("another", sowlv2.Detector, "demo", device="cpu")
    assert cache.list_cached_models() == ["Segmenter:demo", "another"]  # the least recently used has gone
    statistics = cache.get_cache_statistics()
    assert (statistics.cache_hits, statistics.cache_misses, statistics.evictions) == (2, 3, 1)
    assert 0.001 < statistics.total_memory_used < 0.1
    assert len(owl.detect(str(DATA / "scene_001.jpg"), prompts)) == 2  # who has it may go on
    cache.set_memory_limit(1e-6)
    assert cache.list_cached_models() == []
    folder = cache.load(sowlv2.Detector, ROOT / "models" / "demo" / "owlv2")
    assert folder.name.endswith("owlv2")


def test_batch_optimizer():
    from sowlv2.optimizations import BatchConfig, IntelligentBatchOptimizer

    optimizer = IntelligentBatchOptimizer(device="cpu")
    small = optimizer.profile_and_optimize((1080, 1920), 4, memory_limit=0.5)
    large = optimizer.profile_and_optimize((1080, 1920), 4, memory_limit=64)
    assert isinstance(small, BatchConfig) and small.detection_batch_size == 1
    assert small.detection_batch_size < large.detection_batch_size <= 4 and not large.use_mixed_precision
    sizes = []

    def work(batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise sowlv2.OutOfMemoryError("out of memory")
        return [item * 2 for item in batch]

    assert optimizer.adaptive_batch_processing(list(range(7)), work, 8) == [0, 2, 4, 6, 8, 10, 12]
    assert sizes == [7, 4, 2, 2, 2, 1]

    def tried(size):
        if size > 4:
            raise MemoryError
        time.sleep(0.02)

    assert optimizer.find_optimal_batch_size(tried, 16) == 4


def test_the_commands_that_come_along(here):
    """`sowlv2-detect` of the installed package; in a clone without one the module alone."""
    from sowlv2 import _command

    tool = Path(_command.__file__).parent / "bin" / "sowlv2"
    if not tool.is_file():
        with pytest.raises(SystemExit, match="install"):
            _command.detect()
        return
    done = subprocess.run(
        [str(Path(sys.executable).parent / "sowlv2-detect"), "--prompt", "bus", "fox", "--input", "image.jpg",
         "--output", "results/", "--owl-model", "demo", "--sam-model", "demo", "--max-workers", "12",
         "--batch-size", "8"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(rows("results")[0]["objects"]) == 2
