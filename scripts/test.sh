#!/usr/bin/env bash
# All checks and all tests (chart lint and the comparison of generated files are tests as well). Ends
# with the number of tests over all test programs; fails if any check or test failed, after having run
# them all.
. "$(dirname "$0")/env.sh"

log=$target/test.log
# Longer than any healthy run; a hung test must not use up the whole hour and a half of a CI machine.
limit=${AWP_TEST_TIMEOUT:-65m}
failed=()

check() {
  local name=$1 started=$SECONDS
  shift
  say "== $name"
  "$@" || failed+=("$name")
  say "   ($((SECONDS - started)) s)"
}

# Duplicate versions are warnings with a page each: shown only when something is wrong.
dependencies() {
  cargo deny --color never check licenses sources bans >"$target/deny.log" 2>&1 && tail -1 "$target/deny.log" >&2 && return
  grep -v '^warning' "$target/deny.log" >&2
  return 1
}

running=
# `timeout` puts itself and the tests into a process group of their own, which Ctrl-C does not reach.
trap '[ -z "$running" ] || kill -TERM "$running"; exit 130' INT TERM

tests() {
  # With job control, or everything below would be started with SIGINT ignored.
  set -m
  timeout --kill-after=30s "$limit" cargo test --locked --workspace --no-fail-fast >"$log" 2>&1 </dev/null &
  set +m
  running=$!
  tail --follow --lines=+1 --pid="$running" "$log"
  wait "$running"
}

scripts/setup.sh test
scripts/prepare.sh test
check "formatting" cargo fmt --all --check
check "licences, sources and bans of dependencies" dependencies
check "clippy" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
check "tests" tests
scripts/rust-deps.sh save

grep -E '^test .* FAILED$' "$log" >&2 || true
[ ${#failed[@]} = 0 ] || say "failed: $(printf '%s; ' "${failed[@]}")"
read -r passed bad ignored < <(awk '/^test result:/ { passed += $4; bad += $6; ignored += $8 }
  END { print passed + 0, bad + 0, ignored + 0 }' "$log")
# The last line, alone: what a CI reads.
printf '\n%d passed, %d failed%s\n' "$passed" "$bad" "$([ "$ignored" = 0 ] || echo ", $ignored skipped")"
[ ${#failed[@]} = 0 ] && [ "$bad" = 0 ] && [ "$passed" -gt 0 ]
