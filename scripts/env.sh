# Sourced by the other scripts: strict mode, where things are, and how we talk.
# shellcheck shell=bash

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# What is expensive to make is shared by every checkout of this user.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/awp-testbed
target=${CARGO_TARGET_DIR:-$root/target}
controlplane=$root/tests/testbed/controlplane

cd "$root"
mkdir -p "$cache"
# `tools` holds cargo-deny, `go` a Go from PyPI where the machine has none; both come from setup.sh.
export PATH=$PATH:$cache/tools/bin:$cache/go/bin
# Go's own caches, so that `testbed install` and the warm-up in prepare.sh share every package.
export GOCACHE=${GOCACHE:-$cache/go-build}

# stdout is data, stderr is messages.
say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
