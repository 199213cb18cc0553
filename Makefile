# The workflow of the paper, from data to PDF. `make help` lists the targets.
#
# One rule a notebook. Its targets are the files that the next stages read; executed notebooks go
# to build/<profile>/notebooks and are no targets, because papermill writes them on failure too.
# A rule's first prerequisite, build/<profile>/inputs/<notebook>.json, holds the notebook's code,
# its parameters and hashes of the package modules it imports; the file changes only if they do,
# so that a change of prose, of a comment or of another stage's parameter runs nothing again.

ifeq ($(filter grouped-target,$(.FEATURES)),)
$(error This Makefile needs GNU Make 4.3 or newer; you have $(MAKE_VERSION). On macOS: `brew install make`, then `gmake`)
endif

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# ---- settings: make all PROFILE=smoke ----------------------------------------------------------

PROFILE     ?= demo
TIMEOUT     ?= 3600
BASE_PYTHON ?= python3
N           ?= 2048
JOBS        ?= 2
PARALLEL    ?= $(if $(filter dr11,$(PROFILE)),1,2)
FETCH       ?= labelled
FIG         ?=
REV         ?= HEAD
REAL        ?= ../shared/real
B           := build/$(PROFILE)

# Two notebooks run side by side where neither waits for the other (PARALLEL=1 or -j1: one after
# the other, same numbers); on the full data one alone needs the memory.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(PARALLEL)
endif

# Sums depend on how many threads share them; a fixed number gives the same results everywhere. One:
# the arrays are small, and two cores serve two notebooks better than two threads of one.
export OMP_NUM_THREADS ?= 1
export PYTHONHASHSEED  ?= 0
export PYTHONPATH      := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

# ---- Python: PYTHON=..., an active conda environment with the packages, or our own .venv -------

ifdef PYTHON
ENV   :=
else
CONDA := $(if $(CONDA_PREFIX),$(shell $(CONDA_PREFIX)/bin/python -c \
  'from importlib.util import find_spec as f; print("yes" if all(map(f, ("torch", "papermill", "aastex"))) else "")' 2>/dev/null))
PYTHON := $(if $(CONDA),$(CONDA_PREFIX)/bin/python,.venv/bin/python)
ENV    := $(if $(CONDA),,.venv/installed)
endif

# ---- files of each stage ------------------------------------------------------------------------

NOTEBOOKS := $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))
MOCK      := $(if $(filter dr11 rows,$(PROFILE)),,yes)

OUT_00 := $(if $(MOCK),$(addprefix $(B)/, \
  survey/dr11_v1.1_LRS_stellar.fits.gz survey/allStarLite-dr17-synspec_rev1.fits \
  survey/lamost_subaru/ReadMe survey/saga.tsv truth/stars.parquet truth/observations.parquet))
SURVEY := $(filter $(B)/survey/%,$(OUT_00))
TRUTH  := $(filter $(B)/truth/%,$(OUT_00))
OUT_01 := $(addprefix $(B)/01/,observations.parquet labels.parquet label_entries.parquet draw.parquet)
OUT_02 := $(addprefix $(B)/02/,processed.csv skipped.csv labelled.csv)
OUT_03 := $(addprefix $(B)/03/,macrn.pt macrn.json history.csv)
OUT_04 := $(addprefix $(B)/04/,predictions.parquet metrics.csv)
OUT_05 := $(addprefix $(B)/05/,candidates.fits candidates.csv search.parquet stars.parquet errors.json \
  recipe.json)
OUT_06 := $(addprefix $(B)/06/,known_answers.csv solar_lines.csv held_out.csv)
# Real stars lie beside the repository, if at all: without them the committed numbers stay.
OUT_07 := $(if $(filter demo,$(PROFILE)),$(if $(wildcard $(REAL)/miles/labels.csv),$(addprefix \
  $(B)/07/,stars.csv fits.csv comparison.csv lamost.csv)))
OUT_08 := $(addprefix $(B)/08/,cost.csv scores.csv classes.csv ranking.csv left_out.csv)
# The tables of hours of training are committed (`make ablation thesis`): without them it waits.
TABLES := $(addprefix cemp/data/experiments/,ablation.csv ablation_runs.csv ablation_faint.csv cost.csv \
  beyond.csv beyond_pairs.csv without.csv)
OUT_09 := $(if $(filter demo,$(PROFILE)),$(if $(filter-out $(wildcard $(TABLES)),$(TABLES)),,$(addprefix \
  $(B)/09/,faint.csv claims.csv)))
OUT_10 := $(addprefix $(B)/10/,rates.csv completeness.csv ranked.csv)
OUT_11 := $(B)/11/lines.parquet
OUT_12 := $(if $(filter demo,$(PROFILE)),$(if $(wildcard $(REAL)/miles/labels.csv),$(addprefix \
  $(B)/12/,lamost.parquet miles.parquet)))
OUT_13 := $(addprefix $(B)/13/,candidates.fits candidates.vot candidates.mrt candidates.csv \
  finding.csv known_cemp.csv counterparts.csv)
STAGES := $(OUT_00) $(OUT_01) $(OUT_02) $(OUT_03) $(OUT_04) $(OUT_05) $(OUT_06) $(OUT_07) $(OUT_08) \
  $(OUT_09) $(OUT_10) $(OUT_11) $(OUT_12) $(OUT_13)

IN_00  := $(wildcard cemp/data/grid/*)
IN_01  := $(SURVEY)
IN_02  := $(OUT_01) $(SURVEY)
IN_03  := $(OUT_01) $(OUT_02)
IN_04  := $(OUT_01) $(OUT_02) $(OUT_03) $(TRUTH)
IN_05  := $(OUT_01) $(OUT_02) $(OUT_03) $(OUT_04) $(TRUTH) $(IN_00)
IN_06  := $(IN_00)
IN_07  := $(IN_00) $(shell find cemp/data/sky -name '*.pt' -o -name '*.json' 2> /dev/null)
IN_08  := $(OUT_01) $(OUT_02) $(OUT_03) $(TRUTH) $(SURVEY) $(wildcard cemp/data/methods/*) $(IN_00)
IN_09  := $(OUT_01) $(OUT_02) $(OUT_08) $(TRUTH) $(wildcard cemp/data/experiments/*)
IN_10  := $(IN_05) $(OUT_05) $(wildcard cemp/data/selection/*)
IN_11  := $(IN_05) $(OUT_05) $(SURVEY) $(wildcard cemp/data/lines/*)
IN_12  := $(IN_07)
IN_13  := $(IN_05) $(OUT_05) $(OUT_11) $(wildcard notebooks/decisions/$(PROFILE).csv)
INPUTS := $(patsubst notebooks/%.ipynb,$(B)/inputs/%.json,$(NOTEBOOKS))

run    = $(PYTHON) -m cemp.workflow.run $(1) --profile $(PROFILE) --timeout $(TIMEOUT)
finish = ls $(1) > /dev/null && touch $(1)

.PHONY: help all env stages paper receipt test nbval unit figures verify data plan bench doctor notebooks \
        smoke-checks reference lint tex submission clean distclean grid grid-collect grid-check sky rows tune \
        ablation thesis html why diff-paper

help: ## this list
	@echo 'make TARGET [PROFILE=demo|smoke|dr11], now $(PROFILE)'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

all: stages no-real paper receipt ## environment, all notebooks, paper, receipt

env: $(ENV) ## the Python environment alone (.venv, unless conda or PYTHON=... has one)
	@echo "Python: $(PYTHON)"

.PHONY: no-real
no-real:
	@$(if $(OUT_07),,echo '07_real_stars, 12_injection [$(PROFILE)] left out: their stars are not in $(REAL) (or REAL=...), or not asked for; the committed numbers stay')
	@$(if $(OUT_09),,echo '09_experiments [$(PROFILE)] left out: $(if $(filter demo,$(PROFILE)),no $(filter-out $(wildcard $(TABLES)),$(TABLES)); `make ablation thesis` makes them,it is of the demo profile)')

stages: $(STAGES) ## the notebooks alone

# ---- environment --------------------------------------------------------------------------------

.venv/installed: requirements.lock pyproject.toml
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Python 3.11 or newer is needed: install it, or name one with BASE_PYTHON=python3.12'; exit 1; }
	@test -x .venv/bin/python || $(BASE_PYTHON) -m venv .venv || { \
	  echo 'could not make .venv; on Debian and Ubuntu: apt-get install python3-venv'; exit 1; }
	.venv/bin/python -m pip install --disable-pip-version-check -r requirements.lock
	PYTHONPATH= .venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# ---- the notebooks ------------------------------------------------------------------------------

$(INPUTS) &: $(NOTEBOOKS) $(wildcard notebooks/profiles/$(PROFILE).yaml) \
             $(shell find cemp -name '*.py') | $(ENV)
	@$(PYTHON) -m cemp.workflow.inputs --profile $(PROFILE)

$(OUT_00) &: $(B)/inputs/00_mock_survey.json $(IN_00) | $(ENV)
	@$(call run,00_mock_survey)
	@$(call finish,$(OUT_00))

$(OUT_01) &: $(B)/inputs/01_crossmatch.json $(IN_01) | $(ENV)
	@$(call run,01_crossmatch)
	@$(call finish,$(OUT_01))

$(OUT_02) &: $(B)/inputs/02_preprocessing.json $(IN_02) | $(ENV)
	@$(call run,02_preprocessing)
	@$(call finish,$(OUT_02))

$(OUT_03) &: $(B)/inputs/03_training.json $(IN_03) | $(ENV)
	@$(call run,03_training)
	@$(call finish,$(OUT_03))

$(OUT_04) &: $(B)/inputs/04_evaluation.json $(IN_04) | $(ENV)
	@$(call run,04_evaluation)
	@$(call finish,$(OUT_04))

$(OUT_05) &: $(B)/inputs/05_candidates.json $(IN_05) | $(ENV)
	@$(call run,05_candidates)
	@$(call finish,$(OUT_05))

$(OUT_06) &: $(B)/inputs/06_synthetic_spectra.json $(IN_06) | $(ENV)
	@$(call run,06_synthetic_spectra)
	@$(call finish,$(OUT_06))

ifneq ($(OUT_07),)
$(OUT_07) &: $(B)/inputs/07_real_stars.json $(IN_07) | $(ENV)
	@$(call run,07_real_stars) --set real_dir=$(REAL)
	@$(call finish,$(OUT_07))
endif

$(OUT_08) &: $(B)/inputs/08_methods.json $(IN_08) | $(ENV)
	@$(call run,08_methods)
	@$(call finish,$(OUT_08))

ifneq ($(OUT_09),)
$(OUT_09) &: $(B)/inputs/09_experiments.json $(IN_09) | $(ENV)
	@$(call run,09_experiments)
	@$(call finish,$(OUT_09))
endif

$(OUT_10) &: $(B)/inputs/10_selection.json $(IN_10) | $(ENV)
	@$(call run,10_selection)
	@$(call finish,$(OUT_10))

$(OUT_11) &: $(B)/inputs/11_carbon_lines.json $(IN_11) | $(ENV)
	@$(call run,11_carbon_lines)
	@$(call finish,$(OUT_11))

ifneq ($(OUT_12),)
$(OUT_12) &: $(B)/inputs/12_injection.json $(IN_12) | $(ENV)
	@$(call run,12_injection) --set real_dir=$(REAL)
	@$(call finish,$(OUT_12))
endif

$(OUT_13) &: $(B)/inputs/13_catalogue.json $(IN_13) | $(ENV)
	@$(call run,13_catalogue)
	@$(call finish,$(OUT_13))

# ---- the paper ----------------------------------------------------------------------------------

TEX_PACKAGES := latexmk texlive-publishers texlive-latex-recommended texlive-latex-extra \
                texlive-fonts-recommended texlive-science texlive-plain-generic cm-super-minimal
SUDO         := $(if $(filter 0,$(shell id -u)),,sudo)

paper: $(if $(shell command -v latexmk),$(B)/paper/ms.pdf,no-tex) ## the PDF (needs TeX: see `make tex`)

.PHONY: no-tex
no-tex:
	@echo 'No PDF: latexmk was not found. On Debian or Ubuntu `make tex` installs what is missing'
	@echo '  ($(strip $(TEX_PACKAGES)));'
	@echo '  elsewhere install TeX Live with latexmk. Then `make paper PROFILE=$(PROFILE)`.'

$(B)/paper/ms.pdf: $(wildcard paper/*.tex paper/*.bib) $(STAGES) | $(ENV)
	@$(PYTHON) -m cemp.workflow.paper --profile $(PROFILE)

submission: $(B)/paper/ms.pdf ## the flat archive that the journal takes, typeset once from itself alone
	@$(PYTHON) -m cemp.workflow.submission --profile $(PROFILE)

tex: ## install TeX on Debian or Ubuntu
	$(SUDO) apt-get update
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(TEX_PACKAGES)

# ---- reports and checks -------------------------------------------------------------------------

receipt: $(STAGES) | $(ENV) paper ## one page: times, versions, seeds, hashes, headline numbers
	@$(PYTHON) -m cemp.workflow.receipt --profile $(PROFILE) --products $(STAGES)

figures: $(ENV) ## redraw every figure from figures/data, without data or training
	@$(PYTHON) -m cemp.workflow.redraw --profile $(PROFILE)

test: nbval unit ## every notebook on the smoke profile (nbval), unit tests, doctests

nbval: $(ENV) ## every notebook on the smoke profile alone
	@$(PYTHON) -m cemp.workflow.checks prepare
	$(PYTHON) -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=600 \
	  build/smoke/nbval/*.ipynb

unit: $(ENV) ## unit tests and doctests alone
	$(PYTHON) -m pytest --durations=12 tests cemp

lint: $(ENV) ## style of the code and of the notebooks
	$(PYTHON) -m ruff check cemp tests notebooks

verify: stages ## headline numbers and committed notebooks against this run
	@$(PYTHON) -m cemp.workflow.verify --profile $(PROFILE)

data: $(ENV) ## fetch what the profile needs (FETCH=labelled|all|none spectra; token in CEMP_LAMOST_TOKEN)
	@$(PYTHON) -m cemp.workflow.data --profile $(PROFILE) --spectra $(FETCH)

plan: $(ENV) ## what would be fetched and run: rows, disk, memory, time
	@$(PYTHON) -m cemp.workflow.plan --profile $(PROFILE) --spectra $(FETCH)

bench: stages ## speed of the parts, as a table
	@$(PYTHON) -m cemp.workflow.bench --profile $(PROFILE)

doctor: ## what this machine has and lacks, and the minutes to expect
	@$(if $(wildcard $(PYTHON)),$(PYTHON),$(BASE_PYTHON)) -m cemp.workflow.doctor

html: $(ENV) ## a site of the executed notebooks, figures and tables, to read without a server: build/site
	@$(PYTHON) -m cemp.site.build --profile $(PROFILE)

why: $(ENV) ## where FIG=name comes from (a figure, a table, a number): cell, function, inputs, hashes
	@$(PYTHON) -m cemp.workflow.why --profile $(PROFILE) '$(FIG)'

diff-paper: $(ENV) ## numbers of the paper that changed since REV=HEAD, and the lines that print them
	@$(PYTHON) -m cemp.workflow.diff_paper '$(REV)'

# ---- for authors: what is committed beside the code ---------------------------------------------

notebooks: stages ## copy the executed demo notebooks, with outputs, and the PDF, to where readers look
	@test $(PROFILE) = demo || { echo 'the committed notebooks are those of the demo'; exit 1; }
	@$(PYTHON) -m cemp.workflow.publish
	@test ! -f $(B)/paper/ms.pdf || cp $(B)/paper/ms.pdf paper/ms.pdf

smoke-checks: ## record what the notebooks' check cells print on the smoke profile
	@$(MAKE) stages PROFILE=smoke
	@$(PYTHON) -m cemp.workflow.checks record

reference: ## record the headline numbers and their scatter over five seeds (long; goes on where it stopped)
	@$(MAKE) stages PROFILE=demo
	@$(PYTHON) -m cemp.workflow.reference

# ---- the synthetic spectra: in an environment of their own, needed by nothing above --------------

GRID_PYTHON := .venv-grid/bin/python
GRID_CHECK  := 1 43

.venv-grid/installed: cemp/synthesis/requirements.txt
	@test -x $(GRID_PYTHON) || $(BASE_PYTHON) -m venv .venv-grid
	$(GRID_PYTHON) -m pip install --disable-pip-version-check -q -r $<
	@touch $@

grid: .venv-grid/installed ## compute the first N=2048 synthetic spectra with JOBS=2 (16 s each a core; goes on where it stopped)
	@$(GRID_PYTHON) -m cemp.synthesis.run --n $(N) --jobs $(JOBS) --out build/grid

grid-collect: .venv-grid/installed ## put the computed spectra into cemp/data/grid
	@$(GRID_PYTHON) -m cemp.synthesis.collect build/grid

grid-check: .venv-grid/installed ## compute two spectra again and compare them with the grid's
	@rm -rf build/grid/check
	@$(GRID_PYTHON) -m cemp.synthesis.run --indices $(GRID_CHECK) --jobs $(JOBS) --out build/grid/check
	@$(GRID_PYTHON) -m cemp.synthesis.collect build/grid/check --check

# ---- the network that labels real stars ----------------------------------------------------------

SPECTRA ?= 60000
MEMBERS ?= 3
EPOCHS  ?= 16

tune: $(ENV) ## choose the settings of METHODS (all) on validation; an hour on two cores, goes on where it stopped
	@$(PYTHON) -m cemp.methods.tune --profile $(PROFILE) $(METHODS)
	@$(PYTHON) -m cemp.methods.tune --profile $(PROFILE) --known $(METHODS)

ablation: $(ENV) ## train every variant of MACRN with five seeds, and tabulate (20 min on two quiet cores; goes on where it stopped)
	@$(PYTHON) -m cemp.experiments.run --profile $(PROFILE) --jobs $(JOBS)
	@$(PYTHON) -m cemp.experiments.run --profile $(PROFILE) --collect

thesis: $(ENV) ## test claims for networks: cost, beyond the training and without a catalogue (METHODS="cannon ..."; 15 min)
	@$(PYTHON) -m cemp.experiments.thesis --profile $(PROFILE) cost
	@$(PYTHON) -m cemp.experiments.thesis --profile $(PROFILE) --jobs $(JOBS) beyond $(METHODS)
	@$(PYTHON) -m cemp.experiments.thesis --profile $(PROFILE) collect
	@$(PYTHON) -m cemp.experiments.thesis --profile $(PROFILE) --jobs $(JOBS) without

sky: $(ENV) ## train MEMBERS=3 networks for real stars on SPECTRA=60000 over EPOCHS=16 (hours; goes on where it stopped)
	@$(PYTHON) -m cemp.transfer.training --n $(SPECTRA) --members $(MEMBERS) --epochs $(EPOCHS) --jobs $(JOBS)

rows: $(ENV) ## notebooks 01 and 02 on real rows, where REAL=../shared/real has them
	@$(PYTHON) -m cemp.catalogues.spectra $(REAL)/lamost/dr10 $(REAL)/lamost/dr7_spectrograph \
	  --rows $(REAL)/catalogues/lamost_dr10_lrs_stellar_3000rows.csv --out build/rows/survey
	@$(PYTHON) -m cemp.workflow.run 01 --profile rows
	@$(PYTHON) -m cemp.workflow.run 02 --profile rows

clean: ## remove what the profile has built
	rm -rf $(B)

distclean: ## remove everything built, the environment too
	rm -rf build .venv .venv-grid cemp.egg-info

print-%: # the value of a variable, for the tests
	@echo '$($*)'
