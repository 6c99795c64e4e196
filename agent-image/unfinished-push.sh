# Functions of workspace.sh and git-service.sh, which precede both scripts.
#
# A push that is killed while git writes files leaves new, old and incomplete files, and a lock that would
# refuse every later push. Therefore the hook first writes a note. If a note exists and no git runs, the files
# are restored. They cannot have changed since: a push has exclusive access to the agent, and after a
# restart of the container this runs first.

# Whether a git runs in the workspace, such as a background process of the agent.
git_at_work() {
  here=$(pwd -P)
  for dir in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$dir/comm" || continue
    case "$name" in git*) ;; *) continue ;; esac
    case "$(readlink "$dir/cwd")/" in "$here"/*) return 0 ;; esac
  done
  return 1
}

index_sum() {
  cksum <.git/index 2>/dev/null || echo none
}

# Runs in the workspace. A new index means that all files were written.
undo_unfinished_push() {
  [ -f .git/unfinished-push ] && ! git_at_work || return 0
  { read -r from to && read -r sum; } <.git/unfinished-push
  rm -f .git/index.lock
  [ "$sum" != "$(index_sum)" ] || take_back "$from" "$to"
  rm -f .git/unfinished-push
}

own_git() {
  git -c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"
}

# Removes added files, and restores all others from the index.
take_back() {
  own_git diff-tree -r -z --no-renames --name-only --diff-filter=A "$1" "$2" | xargs -0 rm -f --
  own_git diff-tree -r -z --no-renames --name-only "$1" "$2" | own_git checkout-index -f -q -z --stdin
}
