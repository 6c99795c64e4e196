# Functions for workspace.sh and git-service.sh: both are passed along with these before them.
#
# A push that is killed while git writes files leaves some of them new, some old and one cut short, and
# a lock that would refuse every later push. Before it writes, the hook takes down what it is about to
# do; whoever finds that and no git at work takes the files back. Nobody can have worked on them since:
# pushes have the agent for themselves, and an agent whose container ended does nothing before this.

# Whether any git works in the workspace, such as one that the agent left in the background.
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

# In the workspace. An index that was written since says that all files were, too.
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

# What the index does not know was to be added; all else is as the index has it.
take_back() {
  own_git diff-tree -r -z --no-renames --name-only --diff-filter=A "$1" "$2" | xargs -0 rm -f --
  own_git diff-tree -r -z --no-renames --name-only "$1" "$2" | own_git checkout-index -f -q -z --stdin
}
