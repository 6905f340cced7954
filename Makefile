# Encore. `make` alone says what there is. What takes more than a few lines is in docker/*.sh and .ci/.
SHELL := /bin/bash
export DATABASE DOMAIN SOURCE DS PORT PAUSED UPGRADE PYTHON

.PHONY: help setup shell nightly test test-slow test-browser test-ui test-s3 test-monitoring test-cluster test-celery fuzz lint-images test-images up down lock clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## both environments (.venv, .venv-airflow; downloads 1.6 GB, takes 4.5 GB) from their lock files, Java and libgomp
	@docker/java.sh
	@docker/environment.sh .venv docker/jobs.lock
	@docker/openmp.sh .venv/bin/python
	@docker/environment.sh .venv-airflow docker/airflow.lock
	@$(MAKE) -s .state/compiled

.state/compiled: $(wildcard models/*.py models/*/*.py) docker/jobs.lock
	@mkdir -p .state
	@.venv/bin/python -m models.compiled && touch $@

shell: setup ## a shell in which `encore` is found, as all examples call it
	@PATH="$(CURDIR)/.venv/bin:$$PATH" bash

nightly: setup ## one night, of three generated catalogues or of SOURCE=movielens:PATH DOMAIN=movies DS=2018-09-24
	@docker/nightly.sh

test: setup ## linters and all tests, with one summary
	@.ci/test

test-slow: setup ## tests that train longer, on both backends of Keras, and whole nights through Airflow
	@.ci/test slow

test-browser: setup ## the nightly HTML report in a real browser (Chromium, installed where it is missing)
	@.ci/test browser

test-ui: setup ## Airflow's UI in a real browser: a night from the form, its log and its report
	@.ci/test ui

test-s3: setup ## tables on a local S3 server, catalogs in PostgreSQL and behind REST: nights, tables, faults
	@docker/services.sh postgresql
	@docker/environment.sh .venv-services docker/services.lock
	@docker/environment.sh .venv-airflow-workers docker/airflow-workers.lock
	@.ci/test s3

test-monitoring: setup ## alert rules and dashboard on a real Prometheus that has scraped a night
	@docker/services.sh prometheus
	@docker/environment.sh .venv-services docker/services.lock
	@.ci/test monitoring

test-cluster: setup ## nights on a real Spark cluster on the loopback: same rows, and what happens when parts die
	@.ci/test cluster

test-celery: setup ## Airflow scaled out: a night on Celery workers of which some die, PostgreSQL, unit files, pods
	@docker/services.sh postgresql redis-server
	@docker/environment.sh .venv-airflow-workers docker/airflow-workers.lock
	@.ci/test celery

fuzz: setup ## 20,000 damaged files (FUZZ=… another number), each seeded by its own, and an erasure killed at every step
	@ENCORE_FUZZ=$${FUZZ:-20000} ENCORE_KILL_EVERY=1 .venv/bin/python -m pytest tests/fuzz tests/jobs/privacy/test_erase_killed.py -q -s

lint-images: setup ## Dockerfile and compose.yaml by their linters and schemas
	@docker/environment.sh .venv-services docker/services.lock
	@docker/environment.sh .venv-airflow-workers docker/airflow-workers.lock
	@.ci/test image_files

test-images: setup ## every image built and started, and a night in a container; needs root, no Docker engine
	@docker/services.sh buildah podman conmon runc catatonit debootstrap
	@docker/environment.sh .venv-services docker/services.lock
	@docker/environment.sh .venv-airflow-workers docker/airflow-workers.lock
	@.ci/test images

up: setup ## Airflow on this machine, http://localhost:8080 (or PORT=…); PAUSED=0 or 1: nights run as scheduled or not; DATABASE=postgres
	@[ "$(DATABASE)" != postgres ] || docker/services.sh postgresql
	@[ "$(DATABASE)" != postgres ] || docker/environment.sh .venv-airflow-workers docker/airflow-workers.lock
	@docker/airflow.sh up

down: ## stop it
	@docker/airflow.sh down

lock: ## new lock files from setup.cfg; UPGRADE=1 takes the newest versions
	@docker/lock.sh

clean: ## remove environments, caches and Airflow's home; landing/ and warehouse/ stay
	@docker/airflow.sh down
	rm -rf .venv .venv-* .state .airflow build *.egg-info .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove landing/ and warehouse/ of this clone as well
	rm -rf landing warehouse
