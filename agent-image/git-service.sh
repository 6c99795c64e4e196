#!/bin/sh
# Serves one request of a remote git client over standard input and output:
#
#     git-service.sh read|write SECONDS ARGUMENTS_OF_GIT...
#
# `write` is for a service that changes the workspace, with exclusive access to it. git then runs the hooks of
# receive-hook.sh from a directory of the server.
set -u
kind=$1
seconds=$2
shift 2
command -v timeout >/dev/null && limit="timeout -k 10 $seconds" || limit=

# Removes locks of a killed git, which would refuse every later push, and its temporary objects.
remove_leftovers() {
  left=$(find .git -path .git/objects -prune -o -type f -name '*.lock' -print \
    && find .git/objects -maxdepth 1 \( -name 'tmp_objdir-*' -o -name 'incoming-*' \))
  [ -z "$left" ] || git_at_work && return
  find .git -type f -name '*.lock' -exec rm -f {} +
  rm -rf .git/objects/tmp_objdir-* .git/objects/incoming-*
}

install_hooks() {
  rm -rf "$HOOKS" && mkdir -p "$HOOKS" || return 1
  for name in pre-receive update push-to-checkout; do
    printf '%s\n' "$RECEIVE_HOOK" >"$HOOKS/$name" && chmod 755 "$HOOKS/$name" || return 1
  done
}

cd "$WORKSPACE" || exit 1
[ "$kind" = write ] || exec $limit git "$@"
remove_leftovers >&2
install_hooks >&2 || exit 1
unset RECEIVE_HOOK
$limit git "$@"
status=$?
undo_unfinished_push >&2
remove_leftovers >&2
exit "$status"
