#!/bin/sh
# Serves one request of a git client that is elsewhere, over its standard input and output:
#
#     git-service.sh read|write SECONDS ARGUMENTS_OF_GIT...
#
# `write` is for a service that changes the workspace and has it for itself. The hooks that git runs
# then are ours, in a directory of their own: see receive-hook.sh.
set -u
kind=$1
seconds=$2
shift 2
command -v timeout >/dev/null && limit="timeout -k 10 $seconds" || limit=

# What was killed leaves locks, which would refuse every later push.
remove_stale_locks() {
  locks=$(find .git -path .git/objects -prune -o -type f -name '*.lock' -print)
  [ -z "$locks" ] || git_at_work || find .git -type f -name '*.lock' -exec rm -f {} +
}

install_hooks() {
  rm -rf "$HOOKS" && mkdir -p "$HOOKS" || return 1
  for name in pre-receive update push-to-checkout; do
    printf '%s\n' "$RECEIVE_HOOK" >"$HOOKS/$name" && chmod 755 "$HOOKS/$name" || return 1
  done
}

cd "$WORKSPACE" || exit 1
[ "$kind" = write ] || exec $limit git "$@"
remove_stale_locks >&2
install_hooks >&2 || exit 1
unset RECEIVE_HOOK
$limit git "$@"
status=$?
undo_unfinished_push >&2
exit "$status"
