#!/bin/sh
# Packs the MCPB bundle: what npm publishes, or the archive of it, with the locked dependencies.
# Usage: npm run bundle [-- OUTPUT [ARCHIVE]]
set -eu
output=${1:-codex-hangar.mcpb}
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
archive=${2:-$staging/$(npm pack --silent --pack-destination "$staging" | tail -n 1)}
tar -xzf "$archive" -C "$staging"
cp package-lock.json .npmrc mcpb/manifest.json "$staging/package"
# What is optional, Codex for the process runtime, would tie the bundle to this platform.
(cd "$staging/package" && npm ci --silent --omit=dev --omit=optional --ignore-scripts)
mcpb pack "$staging/package" "$output"
