#!/usr/bin/env bash
# Measures the operator as it is released; arguments go to `testbed bench`. Everything it starts ends with it, also by
# Ctrl-C. Beside the release build it takes about 15 minutes.
#   ONLY=fleet,decide   only these parts
#   AWP=PATH            judges that program and builds none
. "$(dirname "$0")/env.sh"

parts=${ONLY:-decide,release,reaction,fleet}
awp=${AWP:-$target/release/awp}

scripts/setup.sh testbed
scripts/prepare.sh test
if [ -z "${AWP:-}" ]; then
  [ -e "$awp" ] || say "building the release: about 15 minutes on two cores, once"
  cargo build --locked --release --package awp --bin awp
fi
if [[ ,$parts, == *,decide,* ]]; then
  log=$target/decide.log
  cargo build --quiet --locked --release --package awp-law --bins
  say "bench: decide: about a minute of decisions"
  cargo bench --quiet --locked --package awp-law --bench decide >"$log" 2>&1 </dev/null || { tail -20 "$log" >&2; exit 1; }
fi
exec "$target/debug/testbed" bench --only "$parts" --awp "$awp" "$@"
