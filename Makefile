# The everyday commands over CMakeLists.txt. `make help` lists them.

BUILD ?= build
PREFIX ?= /usr/local
PYTHON ?= python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 60
COVERAGE_MIN ?= 85
# Further settings for CMake, as in: make CMAKE_FLAGS=-DAE_WERROR=OFF
CMAKE_FLAGS ?=
GENERATOR := $(if $(shell command -v ninja 2>/dev/null),Ninja,Unix Makefiles)
C_FILES = $$(git ls-files -co --exclude-standard '*.c' '*.h')

.PHONY: all configure test demo install parity bench bench-programs sanitize coverage soak fuzz fuzz-smoke build-fuzz format check-format clean help deps

all: configure ## build the library and the command into build/
	@cmake --build $(BUILD) --parallel $(JOBS)

configure:
	@cmake -S . -B $(BUILD) $(if $(wildcard $(BUILD)/CMakeCache.txt),,-G "$(GENERATOR)") \
	    -DCMAKE_INSTALL_PREFIX="$(PREFIX)" $(CMAKE_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/configure.log

deps:
	@tools/deps.sh

test: deps ## install what is missing (SKIP_DEPS=1: don't), build, run every test
	@$(MAKE) --no-print-directory all
	@ctest --test-dir $(BUILD) --output-on-failure

demo: deps ## install what is missing (SKIP_DEPS=1: don't), build, see editing on the demo model: two minutes
	@$(MAKE) --no-print-directory all
	@rm -rf $(BUILD)/demo-run
	@$(BUILD)/aedile demo --output $(BUILD)/demo-run

install: all ## install under PREFIX (/usr/local), below DESTDIR where that is set
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD)

parity: bench-programs ## compare with PyTorch; PYTHON is an interpreter that has torch and transformers
	@$(PYTHON) tools/parity.py --build $(BUILD)

bench-programs:
	@$(MAKE) --no-print-directory all CMAKE_FLAGS="$(CMAKE_FLAGS) -DAE_BENCH=ON"

bench: bench-programs ## measure speed and memory at real sizes (bench/run.sh tells the settings): an hour, 31 GB of disk
	@PYTHON=$(PYTHON) bench/run.sh $(BUILD)

sanitize: ## the tests under the address and undefined-behaviour sanitizers, in build-sanitize/
	@$(MAKE) --no-print-directory all BUILD=build-sanitize \
	    CMAKE_FLAGS="$(CMAKE_FLAGS) -DAE_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo"
	@ctest --test-dir build-sanitize --output-on-failure

coverage: ## which lines the tests run: a table, pages in build-coverage/report; fails below COVERAGE_MIN (85) percent
	@tools/deps.sh lcov
	@$(MAKE) --no-print-directory all BUILD=build-coverage \
	    CMAKE_FLAGS="$(CMAKE_FLAGS) -DCMAKE_C_COMPILER=gcc -DAE_COVERAGE=ON"
	@COVERAGE_MIN="$(COVERAGE_MIN)" JOBS="$(JOBS)" tools/coverage.sh build-coverage

soak: all ## 2,000 edits on the demo model, repeated, killed, under valgrind (tests/soak/run.sh tells the settings): two hours
	@tests/soak/run.sh $(BUILD)

# What reads files; `clean` leaves build-fuzz/ alone, whose corpus took long to find.
FUZZ_ROOMS = base;format;text;backend;model;edit;eval

build-fuzz:
	@$(MAKE) --no-print-directory all BUILD=build-fuzz \
	    CMAKE_FLAGS="$(CMAKE_FLAGS) -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DAE_FUZZ=ON \
	    -DAE_SANITIZE=ON -DBUILD_TESTING=OFF '-DAE_ROOMS=$(FUZZ_ROOMS)'"

fuzz: build-fuzz ## fuzz every reader of files with clang, FUZZ_SECONDS (60) each, JOBS at a time, in build-fuzz/
	@FUZZ_SECONDS="$(FUZZ_SECONDS)" JOBS="$(JOBS)" tests/fuzz/run.sh build-fuzz

fuzz-smoke: build-fuzz ## the same with a few thousand inputs each
	@FUZZ_RUNS=4000 JOBS="$(JOBS)" tests/fuzz/run.sh build-fuzz

format: ## lay out every C file by .clang-format
	@clang-format -i $(C_FILES)

check-format: ## say which C files are not laid out by .clang-format
	@clang-format --dry-run -Werror $(C_FILES)

clean: ## remove the build folders
	@rm -rf $(BUILD) build-sanitize build-clang build-coverage

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 - \2/p' Makefile
