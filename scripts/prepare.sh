#!/usr/bin/env bash
# Builds what is missing for `make demo` or `make test`: the control plane (Go) and our crates (Rust)
# side by side, then what `testbed install` adds. On a warm machine it takes a second or two.
. "$(dirname "$0")/env.sh"

purpose=${1:?demo or test}
logs=$target/prepare
mkdir -p "$logs"

# Sources of the control plane that the cache has been warmed for.
stamp=$GOCACHE/warm-$(cat "$controlplane"/go.mod "$controlplane"/go.sum | cksum | cut -d' ' -f1)

# The demo plays in the user's cluster. (Envtest's binaries spare only a part: a Deployment needs a
# controller-manager and a scheduler as well.)
own_cluster() { [ "$purpose" = demo ] && [ -n "${KUBECONFIG:-}" ]; }

# Compiles the Go packages of the control plane into Go's cache, with the flags of `testbed install`, which
# then has little left but to link. Programs are left out here, because building one links it.
warm_go() {
  cd "$controlplane"
  export CGO_ENABLED=0 GOFLAGS=-mod=readonly
  go list -deps -tags grpcnotrace -f '{{if not (or .Standard (eq .Name "main"))}}{{.ImportPath}}{{end}}' \
    go.etcd.io/etcd/server/v3 helm.sh/helm/v3/cmd/helm sigs.k8s.io/kwok/cmd/kwok \
    k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl} |
    xargs go build -v -trimpath -tags grpcnotrace
  touch "$stamp"
}

# A test target is named so that dev-dependencies count: the same features as in `cargo test`, or the
# tests would compile most dependencies a second time.
build_rust() { cargo build --locked --workspace --bins --test architecture; }

jobs=()
# Each job leads a process group of its own, so that Ctrl-C ends compilers as well.
start() {
  local name=$1
  shift
  set -m
  "$@" >"$logs/$name.log" 2>&1 </dev/null &
  set +m
  jobs+=("$!")
}
end_jobs() {
  for pid in "${jobs[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
}
trap 'end_jobs; exit 130' INT TERM
trap end_jobs EXIT

running() {
  local pid
  for pid in "${jobs[@]}"; do kill -0 "$pid" 2>/dev/null && return; done
  return 1
}

count() { grep -cE "$1" "$logs/$2.log" || true; }

progress() {
  local crate
  crate=$(awk '/Compiling/ { crate = $2 } END { print crate }' "$logs/rust.log")
  printf '%d:%02d  Rust %d of at most 330 crates (%s)' \
    $((SECONDS / 60)) $((SECONDS % 60)) "$(count Compiling rust)" "${crate:-looking}"
  [ -e "$logs/go.log" ] && printf ', Go %d of at most 2990 packages' "$(count '^[a-z]' go)"
  return 0
}

# One line that is redrawn on a terminal; elsewhere a line every 20 seconds.
watch_jobs() {
  local said=0
  while running; do
    sleep 0.5
    if [ -t 2 ]; then
      printf '\r\033[K%s' "$(progress)" >&2
    elif [ $((SECONDS - said)) -ge 20 ]; then
      said=$SECONDS
      say "$(progress)"
    fi
  done
  [ -t 2 ] && printf '\r\033[K' >&2
  return 0
}

finish() {
  local name=$1 pid=$2
  wait "$pid" && return
  say "building $name failed; the end of $logs/$name.log:"
  tail -40 "$logs/$name.log" >&2
  exit 1
}

scripts/rust-deps.sh seed
rm -f "$logs"/*.log
names=(rust)
start rust build_rust
if [ ! -e "$stamp" ] && ! own_cluster; then
  say "First run on this machine: building a Kubernetes control plane and our crates from source."
  say "About 20 minutes on two cores, less than half of that on eight; later runs start in seconds."
  names+=(go)
  start go warm_go
fi
watch_jobs
for i in "${!jobs[@]}"; do finish "${names[$i]}" "${jobs[$i]}"; done
jobs=()
scripts/rust-deps.sh save
# The demo needs no more than the broker that it plays on, and a cluster unless it plays in the user's.
only=()
if [ "$purpose" = demo ]; then
  broker=${BROKER:-rabbitmq}
  only=(--only "${broker/#sqs/elasticmq}")
  own_cluster || only+=(--only controlplane)
fi
"$target/debug/testbed" install "${only[@]}"
