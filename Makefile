# Thin front of CMake. `make help` lists the targets.
BUILD ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
CMAKE = cmake -G "$(if $(shell command -v ninja),Ninja,Unix Makefiles)"

.PHONY: fuzz-afl fuzz-coverage all build torture demo demo-eval track-eval track-eval-demo help deps test check-all install bench bench-peers bench-guide bench-frames parity format lint lint-layers wheel clean

all: build

build: ## build build/sowlv2, build/sowlv2-detect and the libraries
	@tools/install_deps.sh --check
	@$(CMAKE) -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) >$(BUILD).log 2>&1 || { cat $(BUILD).log; rm -f $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) -j $(JOBS) --target sowlv2_tool sowlv2_shared sowlv2_static contact_sheet demo_report

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install the packages that are missing (Debian, Ubuntu), or name them
	@tools/install_deps.sh

test: ## all tests at this machine's best level, with sanitizers over parsers and pipeline
	@tools/install_deps.sh
	@tools/run_tests.sh $(BUILD) $(JOBS)

check-all: ## every sanitizer, every CPU level, every fuzzer for FUZZ_SECONDS (240)
	@tools/install_deps.sh
	@tools/run_tests.sh $(BUILD) $(JOBS) all

torture: build ## attack the tool: kill -9, failing calls, short memory and disks (some minutes)
	@cmake --build $(BUILD) -j $(JOBS) --target torture

demo: build ## find things in the samples with the demo model that comes along
	@tools/demo.sh $(BUILD)

install: build ## install the tool, libraries, header and pkg-config file (PREFIX=/usr/local)
	@cmake --install $(BUILD)

wheel: ## the Python package as dist/*.whl, with the engine; checked by auditwheel where pip can get it
	@tools/install_deps.sh --check
	@tools/wheel.sh dist

bench: build ## time every op at the models' shapes
	@cmake --build $(BUILD) -j $(JOBS) --target bench_ops
	@$(BUILD)/bench/bench_ops

bench-peers: build ## whole models beside PyTorch, ONNX Runtime and OpenVINO, taking turns; ARGS="--rows decode --only ours torch"
	@cmake --build $(BUILD) -j $(JOBS) --target bench_models
	@$(PYTHON) bench/peers --build $(BUILD) --device $(or $(DEVICE),cpu) $(ARGS)

bench-guide: build ## pictures and videos through the tool, as users have them; DEVICE=cuda, MODELS=folder, ARGS=...
	@$(PYTHON) bench/guide.py --build $(BUILD) --device $(or $(DEVICE),auto) --models $(or $(MODELS),demo) $(ARGS)

bench-frames: build ## what choosing frames by V-JEPA 2 is worth, on rendered videos (needs requirements-reference.txt)
	@cmake --build $(BUILD) -j $(JOBS) --target bench_frames bench_between
	@$(PYTHON) bench/frames.py --build $(BUILD) --owl models/demo/owlv2 --sam models/demo/sam2

demo-eval: build ## accuracy of the program with the demo models on held-out pictures and clips (needs requirements-reference.txt)
	@$(PYTHON) tools/demo_models/evaluate.py --program $(BUILD)/sowlv2 --work $(BUILD)/demo-eval

track-eval: build ## tracks through 60 hard clips, beside the reference: HOTA, IDF1, J&F, doubles (needs requirements-reference.txt, cffi)
	@cmake --build $(BUILD) -j $(JOBS) --target sowlv2_shared sowlv2_told
	@$(PYTHON) tools/track_eval/track_eval.py --build $(BUILD) $(TRACK_EVAL)

track-eval-demo: build ## the table of the two demo clips: objects reported, and which two numbers are one thing
	@$(PYTHON) tools/track_eval/track_eval.py --build $(BUILD) --demo $(TRACK_EVAL)

parity: build ## compare full-size random models with the reference (needs requirements-reference.txt)
	@$(PYTHON) tools/parity.py --build $(BUILD)
	@$(PYTHON) tools/parity_hub.py --build $(BUILD)

fuzz-coverage: ## how much of each parser its fuzzer reaches; fails below 85 % of the lines
	@tools/fuzz_coverage.sh $(BUILD)

fuzz-afl: ## AFL++ with the tool itself over the tests' images, a minute a format (needs afl++)
	@tools/afl.sh $(BUILD) 60

format: ## put every source file into the house style
	@git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format -i

lint-layers: ## fail where a layer includes what its CMakeLists.txt does not name (also part of `make test`)
	@tools/lint_layers.sh

lint: build lint-layers ## clang-format, clang-tidy and lint-layers
	@git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format --dry-run --Werror
	@git ls-files 'src/*.c' | xargs -P $(JOBS) -n 4 clang-tidy -p $(BUILD) --quiet

clean: ## remove the build folder
	@rm -rf $(BUILD)
