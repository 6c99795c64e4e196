#!/bin/sh
# The hooks of a push into the workspace, distinguished by name. git shows the client the standard error of
# `pre-receive` and `update`, but not that of `push-to-checkout`.
set -u
FILES_NAMED=10

# Without a commit, the first push of a single branch sets HEAD.
choose_branch() {
  git rev-parse -q --verify HEAD >/dev/null && return 0
  only=
  while read -r _ new ref; do
    case "$ref" in refs/heads/*) ;; *) continue ;; esac
    [ -n "$(printf %s "$new" | tr -d 0)" ] || continue
    [ "$ref" != "$(git symbolic-ref -q HEAD)" ] && [ -z "$only" ] || return 0
    only=$ref
  done
  [ -z "$only" ] || env -u GIT_QUARANTINE_PATH git symbolic-ref HEAD "$only"
}

changed() {
  git diff-tree -r -z --no-renames --name-only "$@" "$head" "$new"
}

# Adds files to the index that already have the pushed content, so that they do not block the push.
accept_equal_files() {
  cp "$directory/index" "$scratch" 2>/dev/null
  GIT_INDEX_FILE="$scratch" git read-tree --reset "$new"
  GIT_INDEX_FILE="$scratch" git update-index -q --ignore-submodules --refresh
  differing() { GIT_INDEX_FILE="$scratch" git diff-files -z --name-only --no-renames; }
  { changed --diff-filter=d && differing && differing; } | sort -z | uniq -zu \
    | git update-index -q -z --add --remove --stdin
  { changed --diff-filter=D && git diff-files -z --name-only --diff-filter=D; } | sort -z | uniq -zd \
    | git update-index -q -z --force-remove --stdin
  rm -f "$scratch"
}

# Changed tracked files and untracked files that the push would overwrite.
obstacles() {
  { changed && { git diff-index -z --name-only --no-renames "$head" \
    && git ls-files -z --others --exclude-standard; } | sort -zu; } | sort -z | uniq -zd | tr '\0' '\n'
}

look() {
  directory=$(git rev-parse --absolute-git-dir)
  scratch="$directory/push.index"
  note="$directory/unfinished-push"
  head=$(git rev-parse -q --verify HEAD) || head=$(git hash-object -t tree /dev/null)
  git update-index -q --ignore-submodules --refresh
  return 0
}

# A two-way merge: uncommitted changes are kept, or the push is refused.
check_files() {
  new=$1
  directory=$(git rev-parse --absolute-git-dir)
  export GIT_DIR="$directory" GIT_WORK_TREE="$WORKSPACE"
  cd "$WORKSPACE" && look && try_merge && return
  cp "$directory/index" "$scratch.old" 2>/dev/null
  accept_equal_files 2>/dev/null
  try_merge && rm -f "$scratch.old" && return
  [ ! -f "$scratch.old" ] || mv "$scratch.old" "$directory/index"
  refuse | tr -d '\000-\011\013-\037\177' >&2
  return 1
}

try_merge() {
  git read-tree -n -u -m "$head" "$new" 2>/dev/null
}

update_files() {
  new=$1
  look
  { echo "$head $new" && { cksum <"$directory/index" 2>/dev/null || echo none; }; } >"$note"
  git read-tree -u -m "$head" "$new"
  merged=$?
  rm -f "$note"
  return "$merged"
}

refuse() {
  echo "The workspace has uncommitted work that this push would overwrite; nothing was changed:"
  obstacles | head -n "$FILES_NAMED" | sed 's/^/  /'
  more=$(($(obstacles | wc -l) - FILES_NAMED))
  [ "$more" -le 0 ] || echo "  and $more more"
  echo "Push to another branch, or have the work committed first."
}

case "$0" in
  */pre-receive) choose_branch ;;
  */update) [ "$1" != "$(git symbolic-ref -q HEAD)" ] || check_files "$3" ;;
  */push-to-checkout) update_files "$1" ;;
esac
