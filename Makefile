# Two commands do all the set-up: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= python3
DATA ?= ../shared/data/fer2013
ARGS ?=
# Test processes at once; a file stays in one of them.
JOBS ?= 2

RUNTIME := .venv
DEV := .venv-dev
METADATA := setup.cfg pyproject.toml

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: $(RUNTIME)/.installed ## install the runtime (no TensorFlow) into .venv, watch the camera and listen; ARGS="--duration 20"
	@$(RUNTIME)/bin/affect-edge run $(ARGS)

.PHONY: test
test: $(DEV)/.installed ## install everything into .venv-dev, check style and types, run the tests
	@$(DEV)/bin/ruff check .
	@$(DEV)/bin/ruff format --check .
	@$(DEV)/bin/mypy
	@$(DEV)/bin/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

.PHONY: test-matrix
test-matrix: ## the runtime's tests under each of Python 3.10 to 3.13 that is found
	@firmware_config/test_matrix.sh $(ARGS)

.PHONY: format
format: $(DEV)/.installed ## format and mend what ruff can mend
	@$(DEV)/bin/ruff format .
	@$(DEV)/bin/ruff check --fix .

.PHONY: train
train: $(DEV)/.installed ## train, quantise, calibrate and measure the expression model; DATA=folder of fer2013.csv
	$(DEV)/bin/affect-edge train expression --data $(DATA) --models models/expression $(ARGS)
	$(DEV)/bin/affect-edge evaluate models/expression/expression.tflite --data $(DATA) --calibrate --write-manifest

.PHONY: train-detector
train-detector: $(DEV)/.installed ## train, quantise and measure both face detectors; FACES=folder of the photographs
	$(DEV)/bin/affect-edge train face_near --data $(FACES) --models models/face-detection $(ARGS)
	$(DEV)/bin/affect-edge train face_far --data $(FACES) --models models/face-detection $(ARGS)
	$(DEV)/bin/affect-edge evaluate models/face-detection/face_near.tflite --data $(FACES) --write-manifest
	$(DEV)/bin/affect-edge evaluate models/face-detection/face_far.tflite --data $(FACES) --write-manifest

# By itself TensorFlow takes oneDNN on processors with VNNI alone; with AVX2 these networks train 1.7 times faster by it.
train-speech speech-folds: export TF_ENABLE_ONEDNN_OPTS = 1

.PHONY: train-speech
train-speech: $(DEV)/.installed ## train, quantise, calibrate and measure the speech model; SPEECH=folder of RAVDESS, CREMA-D, ESC-10
	$(DEV)/bin/affect-edge train speech --data $(SPEECH) --models models $(ARGS)
	$(DEV)/bin/affect-edge evaluate models/speech-emotion/speech.tflite --data $(SPEECH) --calibrate --write-manifest

.PHONY: speech-folds
speech-folds: $(DEV)/.installed ## actor-disjoint folds, across corpora, baselines: about four hours on two cores; SPEECH=folder
	$(DEV)/bin/affect-edge train speech_crema --data $(SPEECH) $(ARGS)
	$(DEV)/bin/affect-edge cross-validate speech_crema --protocol cross --only crema-d_to --data $(SPEECH) $(ARGS)
	$(DEV)/bin/affect-edge cross-validate speech_ravdess --protocol cross --only ravdess_to --data $(SPEECH) $(ARGS)
	$(DEV)/bin/affect-edge cross-validate speech_crema --protocol crema-d --data $(SPEECH) --jobs 2 $(ARGS)
	$(DEV)/bin/affect-edge cross-validate speech_ravdess --protocol ravdess --data $(SPEECH) --jobs 2 --seeds 1 2 3 \
		--start runs/speech_crema/speech_crema.keras $(ARGS)
	$(DEV)/bin/affect-edge baseline cnn --data $(SPEECH) --corpus ravdess --seeds 3
	$(DEV)/bin/affect-edge baseline lstm --data $(SPEECH) --corpus ravdess --seeds 3

.PHONY: train-text
train-text: $(DEV)/.installed ## train, quantise, calibrate and measure the text models; TEXT=folder of GoEmotions, essays
	$(DEV)/bin/affect-edge train text --data $(TEXT) --models models/text-emotion $(if $(VECTORS),--vectors $(VECTORS)) $(ARGS)
	$(DEV)/bin/affect-edge evaluate models/text-emotion/text.tflite --data $(TEXT) --calibrate --write-manifest
	$(DEV)/bin/affect-edge train traits --data $(TEXT) --models models/traits $(ARGS)

.PHONY: bench
bench: $(DEV)/.installed ## latency, detectors, loops, start-up, memory: side by side; FACES= and SPEECH=data sets compare more
	$(DEV)/bin/python -m benchmarks.latency $(ARGS)
	$(DEV)/bin/python -m benchmarks.detector_speed $(ARGS)
	$(DEV)/bin/python -m benchmarks.camera_loop $(ARGS)
	$(if $(FACES),$(DEV)/bin/python -m benchmarks.detection --data $(FACES) $(ARGS))
	$(DEV)/bin/python -m benchmarks.speech_cost $(if $(SPEECH),--data $(SPEECH)) $(ARGS)
	$(DEV)/bin/python -m benchmarks.text_cost $(if $(TEXT),--data $(TEXT)) $(ARGS)
	$(DEV)/bin/python -m benchmarks.startup $(ARGS)
	$(DEV)/bin/python -m benchmarks.hot_path $(ARGS)
	$(DEV)/bin/python -m benchmarks.scaling $(ARGS)

.PHONY: peers
peers: $(DEV)/.installed ## others on the same input, in environments of their own below ../peers; ARGS="--files DIR --write docs/peers.md"
	$(DEV)/bin/python -m benchmarks.peers.environments ../peers
	$(DEV)/bin/python -m benchmarks.peers --environments ../peers $(ARGS)

.PHONY: instructions
instructions: $(DEV)/.installed ## what a Pi 4 and a Pi 5 execute for each model, frame and hop, against what is expected
	$(DEV)/bin/python -m benchmarks.instructions $(ARGS)

TEST_SETS = $(if $(wildcard $(DATA)),--faces $(DATA)) $(if $(SPEECH),--speech $(SPEECH)) $(if $(TEXT),--text $(TEXT)) \
	$(if $(FACES),--photographs $(FACES))

.PHONY: bench-converter
bench-converter: $(DEV)/.installed ## every method on our models and public ones, every interpreter, emulated Arm processors: an hour
	$(DEV)/bin/python -m benchmarks.convert_matrix --write
	$(DEV)/bin/python -m benchmarks.interpreters $(TEST_SETS)
	$(DEV)/bin/python -m benchmarks.aarch64 $(TEST_SETS)

.PHONY: soak
soak: $(DEV)/.installed ## 10,000 frames, an hour of sound, 100,000 sentences, a week of the service: nothing grows, no drift
	$(DEV)/bin/python -m benchmarks.soak $(ARGS)
	$(DEV)/bin/python -m benchmarks.speech_soak $(if $(SPEECH),--data $(SPEECH)) $(ARGS)
	$(DEV)/bin/python -m benchmarks.text_soak $(ARGS)

.PHONY: board
board: $(DEV)/.installed ## as root: a whole arm64 board, emulated, with camera and microphone: an hour; ARGS="--write docs/board.md"
	$(DEV)/bin/python -m benchmarks.board $(ARGS)

.PHONY: wheel
wheel: $(DEV)/.installed ## build dist/*.whl
	$(DEV)/bin/python -m build --wheel

.PHONY: clean
clean: ## remove environments and caches; data, runs and the journal stay
	rm -rf .venv* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(RUNTIME)/.installed: $(METADATA)
	@firmware_config/make_venv.sh $(PYTHON) $(RUNTIME)
	@touch $@

$(DEV)/.installed: $(METADATA)
	@firmware_config/make_venv.sh $(PYTHON) $(DEV) dev
	@touch $@
