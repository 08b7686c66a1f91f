#!/usr/bin/env bash
# Writes the files that are made from code: the CRD, and the chart's template of it.
#   generate.sh           writes them
#   generate.sh --check   writes nothing; fails with the difference if one is out of date
. "$(dirname "$0")/env.sh"

crd=crds/agentworkerpools.agentworkers.io.yaml
template=charts/awp/templates/crd-agentworkerpools.yaml

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mkdir -p "$made/$(dirname "$crd")" "$made/$(dirname "$template")"

"$target/debug/awp" crd >"$made/$crd"
grep -q '{{' "$made/$crd" && die "the CRD contains '{{', which Helm would run as a template: reword the description"
{
  echo '{{- if .Values.crds.install }}'
  # In templates/, not crds/: Helm never upgrades a crds/ folder. `keep`, because removing the CRD
  # would remove every pool of the cluster with it.
  sed '0,/^metadata:$/s//metadata:\n  annotations:\n    helm.sh\/resource-policy: keep/' "$made/$crd"
  echo '{{- end }}'
} >"$made/$template"

if [ "${1:-}" = --check ]; then
  for file in "$crd" "$template"; do
    diff -u "$file" "$made/$file" >&2 || die "$file is not what the code makes: run 'make generate' and commit the result"
  done
else
  cp "$made/$crd" "$crd"
  cp "$made/$template" "$template"
fi
