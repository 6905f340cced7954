#!/usr/bin/env bash
# stand_in.sh: images of the names that docker/images/Dockerfile begins with, from Debian's archive instead of a registry.
# For buildah as root, where no registry of images can be reached; kept until they are removed.
set -euo pipefail

debian=docker.io/library/debian:bookworm-slim
python=docker.io/library/python:3.11-slim-bookworm

commit() { buildah commit --quiet --rm --format docker "$1" "$2" >/dev/null; }

if ! buildah inspect --type image "$debian" >/dev/null 2>&1; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    debootstrap --variant=minbase bookworm "$folder" >/dev/null
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$folder" / >/dev/null
    buildah config --cmd bash "$container"
    commit "$container" "$debian"
fi
if ! buildah inspect --type image "$python" >/dev/null 2>&1; then
    container=$(buildah from --pull-never "$debian")
    buildah run --isolation chroot "$container" -- sh -c \
        'apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates python3.11-venv >/dev/null &&
        python3.11 -m venv --copies /usr/local && rm -rf /var/lib/apt/lists/*'
    commit "$container" "$python"
fi
