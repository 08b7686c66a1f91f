#!/usr/bin/env bash
# Keeps compiled dependencies (not our own crates) in the user's cache, so that a fresh clone on a
# machine that has built before starts in seconds instead of minutes.
#
#   rust-deps.sh seed   copies them into an empty target folder
#   rust-deps.sh save   copies them back after a build, when there are more than before
#
# Copies, not a shared target folder or Cargo's `build.build-dir`: Cargo names a workspace's own
# artefacts by path *relative to the workspace*, so two checkouts that share one folder overwrite each
# other's binaries, and the one with older files silently runs the other's code (seen with Cargo 1.95).
# Nothing here can make a build wrong: Cargo itself checks every artefact that it finds.
. "$(dirname "$0")/env.sh"

action=${1:?seed or save}
debug=$target/debug
store=$cache/rust-deps/$(rustc -vV | cksum | cut -d' ' -f1)
# Dependency updates pile up in a store; past this it is dropped, and the next build fills it anew.
most_megabytes=6000

mkdir -p "$cache/rust-deps"
# One writer, many readers, released when this process ends.
exec 9>"$cache/rust-deps.lock"

units() { find "$1/.fingerprint" -mindepth 1 -maxdepth 1 -not -name 'awp-*' 2>/dev/null | wc -l; }

seed() {
  [ ! -e "$debug/.fingerprint" ] && [ -d "$store" ] || return 0
  flock --shared 9
  mkdir -p "$debug"
  cp -a --reflink=auto "$store/." "$debug/"
}

save() {
  [ "$(units "$debug")" -gt "$(units "$store")" ] || return 0
  flock 9
  local fresh=$store.new own
  rm -rf "$fresh"
  mkdir "$fresh"
  # Everything but our own units, which carry the same hash in every folder.
  own=$(find "$debug/.fingerprint" -maxdepth 1 -name 'awp-*' | sed 's/.*-//')
  (cd "$debug" && tar --format=posix -cf - --exclude-from=<(for hash in $own; do echo "*-$hash*"; done) .fingerprint build deps) |
    tar -xf - -C "$fresh"
  rm -rf "$store"
  [ "$(du -sm "$fresh" | cut -f1)" -le "$most_megabytes" ] && mv "$fresh" "$store" || rm -rf "$fresh"
}

"$action"
