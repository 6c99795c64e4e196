#!/bin/sh
# The part of workspace.sh that makes commits of checkpoints in the repository of the workspace.
#
# Everything is computed in the repository of checkpoints, with the objects of the user's repository as
# alternates. The user's repository is only read for its refs, and receives objects, refs/codex and the branch
# codex/work. Its index, HEAD, other branches and files stay unchanged, and no hook, driver or filter runs.
#
# Paths are quoted as by git, one per line, so that no name can break its line.
EMPTY_TREE=4b825dc642cb6eb9a060e54bf8d69288fbee4904
NOBODY=0000000000000000000000000000000000000000
WORK=refs/heads/codex/work
export GIT_NO_REPLACE_OBJECTS=1 GIT_GRAFT_FILE=/dev/null/none GIT_NO_LAZY_FETCH=1 GIT_TERMINAL_PROMPT=0
# A partial clone must not fetch missing objects by a program of its settings.
export GIT_ALLOW_PROTOCOL=none
export GIT_COMMITTER_NAME=codex-mcp-server GIT_COMMITTER_EMAIL=server@agents.invalid

users() {
  git --git-dir="$WORKSPACE/.git" --work-tree="$WORKSPACE" -c core.fsmonitor=false \
    -c core.hooksPath=/dev/null -c core.quotePath=true -c core.filesRefLockTimeout=1000 \
    -c core.fsyncMethod=batch -c core.bare=false "$@"
}

# git in the repository of checkpoints, with the user's objects.
both() {
  GIT_DIR="$shadow" GIT_INDEX_FILE="$shadow/commit.index" \
    GIT_ALTERNATE_OBJECT_DIRECTORIES="\"$common/objects\"" \
    git -c core.looseCompression=1 -c core.attributesFile=/dev/null \
      -c merge.directoryRenames=false "$@"
}

# Finds the repository; $why is the reason for no commits.
locate() {
  why=no-repository
  [ -e "$WORKSPACE/.git" ] || return 1
  why=broken-repository
  found=$(users rev-parse --path-format=absolute --git-common-dir --show-object-format) || return 1
  common=${found%
*}
  why=other-objects
  [ "${found##*
}" = sha1 ] || return 1
  why=elsewhere
  root=$(cd "$WORKSPACE" && pwd -P) || return 1
  case "$common" in "$root"/*) ;; *) return 1 ;; esac
  for part in objects objects/pack refs refs/heads refs/heads/codex refs/codex refs/codex/turns \
    refs/codex/reverts logs logs/refs logs/refs/heads logs/refs/heads/codex; do
    [ ! -L "$common/$part" ] || return 1
  done
}

# Sets `resolved` to the ids of some revisions; `-` for a missing one.
resolve() {
  resolved=
  answers=$(printf '%s\n' "$@" | users cat-file --batch-check='%(objectname) ok')
  while read -r name state; do
    [ "$state" = ok ] || name=-
    resolved="$resolved $name"
  done <<END
$answers
END
}

# Whether a commit has another in its history; a missing one is in every history.
contains() {
  [ "$1" != - ] || return 1
  [ "$2" = - ] || [ "$1" = "$2" ] || users merge-base --is-ancestor "$2" "$1" 2>/dev/null
}

# Sets `was` to HEAD at a checkpoint: `-` if it was unborn, the present HEAD if unknown.
head_before() {
  was=$(GIT_DIR="$shadow" git cat-file blob "$1:HEAD" 2>/dev/null) || { was=$head; return; }
  case "$was" in
    'ref: '*)
      ref=${was#ref: }
      was=$(GIT_DIR="$shadow" git cat-file blob "$1:$ref" 2>/dev/null) \
        || was=$(GIT_DIR="$shadow" git cat-file blob "$1:packed-refs" 2>/dev/null \
          | REF="$ref" awk '$2 == ENVIRON["REF"] { print $1; exit }')
      ;;
  esac
  [ -n "$was" ] || { was=-; return; }
  resolve "$was^{commit}"
  was=${resolved# }
  [ "$was" != - ] || was=$head
}

# Sets `base` to the first parent of a commit, and `second` to the commits that the agent made itself.
choose_parents() {
  base=$tip
  second=-
  ! contains "$tip" "$head" || return 0
  head_before "$1"
  base=$head
  [ "$was" != "$head" ] || return 0
  second=$head
  base=$was
  ! contains "$tip" "$was" || base=$tip
  ! contains "$base" "$second" || second=-
}

# Sends a commit with its missing objects to the user's repository. Arguments: the commit, and known commits.
send() {
  printf '%s\n' "$1" >"$shadow/commit.revs"
  shift
  for known; do [ "$known" = - ] || printf '^%s\n' "$known" >>"$shadow/commit.revs"; done
  # Unpacked objects are compressed there; a pack is compressed here.
  set -- unpack-objects -q
  effort=0
  [ ! -e "$shadow/commit.many" ] || { set -- index-pack --stdin; effort=1; }
  both -c pack.threads=1 -c pack.compression=$effort pack-objects --revs --stdout -q --window=0 \
    <"$shadow/commit.revs" | users "$@" >/dev/null && return
  # On a full disk git leaves temporary files.
  git_at_work || remove_half_objects "$common/objects"
  return 1
}

# Whether the branch is checked out or being rebased.
is_checked_out() {
  for file in "$common"/HEAD "$common"/worktrees/*/HEAD "$common"/rebase-*/head-name \
    "$common"/worktrees/*/rebase-*/head-name; do
    line=
    [ -f "$file" ] && read -r line <"$file"
    [ "${line#ref: }" != "$WORK" ] || return 0
  done
  return 1
}

# Sets the refs in one transaction: REF COMMIT WAS. WAS is the old value of the ref; another value means that
# a shell of an earlier server has set it. A lock that stays for a second is that of a killed git.
point() {
  moved=no
  mine="update $1 $2 $3"
  is_checked_out || moved=yes
  was_at=$tip
  # The branch may point to a lost object.
  [ "$tip" != - ] || was_at=$(users rev-parse -q --verify "$WORK") || was_at=$NOBODY
  for try in 1 2; do
    if [ "$moved" = yes ]; then
      printf '%s\nupdate %s %s %s\n' "$mine" "$WORK" "$2" "$was_at" \
        | users update-ref -m 'codex: turn' --stdin && return
    elif printf '%s\n' "$mine" | users update-ref --stdin; then return; fi
    rm -f "$common/$1.lock" "$common/$WORK.lock"
  done
  [ "$moved" = yes ] || return 1
  moved=no
  printf '%s\n' "$mine" | users update-ref --stdin
}

# Encodes lines as one word, cut to the length of an answer.
encode() {
  head -c 4096 | base64 | tr -d '\n'
}

# The notes of a commit; `-` for none.
notes() {
  told=
  [ ! -e "$shadow/commit.notes" ] || told=$(sort -u "$shadow/commit.notes" | encode)
  echo "${told:--}"
}

refuse() {
  echo "not $1 $word"
}

# commit FILES_BEFORE FILES_AFTER GIT_BEFORE REF fresh|again|anew SECONDS AUTHOR LIMIT MESSAGE
commit() {
  before=$1 after=$2 meta=$3 ref_name=refs/codex/$4 mode=$5 at=$6 who=$7 size_limit=$8 message=$9
  rm -f "$shadow"/commit.*
  locate >&2 || { refuse "$why"; return; }
  resolve 'HEAD^{commit}' 'HEAD^{tree}' "$WORK^{commit}" "$WORK^{tree}" "$ref_name^{commit}" \
    "$ref_name^{tree}" "$ref_name^1^{commit}"
  set -- $resolved
  [ $# = 7 ] || { refuse broken-repository; return; }
  head=$1 head_tree=$2 tip=$3 tip_tree=$4 ref_was=$5
  [ "$ref_was" != - ] || ref_was=$NOBODY
  # The command may be a repetition after the shell was killed.
  case "$mode $5" in
    *' -' | anew*) ;;
    again*) made_before "$5" "$7"; return ;;
    *) [ "$6" != "$after" ] || { made_before "$5" "$7"; return; } ;;
  esac
  choose_parents "$meta"
  { make_commit && send "$made" "$tip" "$head" "$base" && point "$ref_name" "$made" "$ref_was"; } >&2 \
    || { refuse "${nothing:-failed}"; return; }
  echo "ok $made $parent $moved $(notes) $word"
}

# made_before COMMIT PARENT: answers with an existing commit, and moves the branch if git was killed before.
made_before() {
  moved=yes
  if [ "$tip" != "$1" ] && { [ "$tip" = - ] || both merge-base --is-ancestor "$tip" "$1"; }; then
    point "$ref_name" "$1" "$1" || moved=no
  fi >&2
  echo "ok $1 $2 $moved - $word"
}

# tell_earlier REF: answers with the commit of a ref, if it exists.
tell_earlier() {
  ref_name=refs/codex/$1
  resolve "$ref_name^{commit}" "$ref_name^1^{commit}" "$WORK^{commit}"
  set -- $resolved
  tip=$3
  [ "$1" != - ] && made_before "$1" "$2"
}

# Sets `made` to the commit of a turn, on top of a commit of the files before the turn if needed.
make_commit() {
  nothing=
  case "$base" in
    -) base_tree=$EMPTY_TREE ;;
    "$tip") base_tree=$tip_tree ;;
    "$head") base_tree=$head_tree ;;
    *) base_tree=$(both rev-parse "$base^{tree}") || return 1 ;;
  esac
  find_links "$base_tree" "$before" || return 1
  settle "$base_tree" "$base_tree" "$before" before || return 1
  before_tree=$settled
  settle "$before_tree" "$before" "$after" after || return 1
  [ "$settled" != "$before_tree" ] || { nothing=nothing; return 1; }
  parent=$base
  # A root commit of the agent must not be the only parent.
  if [ "$before_tree" != "$base_tree" ] || { [ "$base" = - ] && [ "$second" != - ]; }; then
    parent=$(echo 'Files before the turn' \
      | commit_tree codex-mcp-server "$at" "$before_tree" "$base") || return 1
  fi
  made=$(printf %s "$message" | base64 -d | commit_tree "$who" "$at" "$settled" "$parent" "$second")
}

# working-tree LIMIT: answers with HEAD and the tree that a commit of the present files would have.
working_tree() {
  size_limit=$1
  rm -f "$shadow"/commit.*
  take_checkpoint >/dev/null || return 1
  head=-
  base_tree=$EMPTY_TREE
  common=$shadow
  if locate >&2; then
    resolve 'HEAD^{commit}' 'HEAD^{tree}'
    set -- $resolved
    [ "${2:--}" = - ] || { head=$1; base_tree=$2; }
  fi
  { find_links "$base_tree" "$files_now" && settle "$base_tree" "$base_tree" "$files_now" now; } >&2 || return 1
  echo "ok $head $base_tree $settled $(notes) $word"
}

# Copies the objects of a tree into the repository of checkpoints.
keep_files() {
  printf '%s\n^%s\n' "$2" "$1" | both pack-objects --revs --stdout -q --window=0 \
    | GIT_DIR="$shadow" git unpack-objects -q
}

# Lists ignored files at paths that a tree would overwrite: no checkpoint has them.
obstacles() {
  both diff-tree -r --no-renames --name-only --diff-filter=AT "$1" "$2" | while IFS= read -r new; do
    case "$new" in '"'*) continue ;; esac
    held=$new
    while [ ! -e "$held" ] && [ ! -L "$held" ] && [ "$held" != "${held%/*}" ]; do held=${held%/*}; done
    [ -L "$held" ] || [ ! -d "$held" ] || [ "$held" = "$new" ] || continue
    if [ -e "$held" ] || [ -L "$held" ]; then hides "$held" "$1" && printf '%s\n' "$held"; fi
  done
}

# Whether a path has files that a tree does not have.
hides() {
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    [ -n "$(git_files ls-files --others -- ":(literal)$1" | head -n 1)" ]
  else
    [ -z "$(both ls-tree "$2" -- ":(literal)$1")" ]
  fi
}

# merge revert|apply COMMIT REF SECONDS AUTHOR LIMIT MESSAGE: reverts a commit in the present files, or applies
# it, and commits the result. An apply with an existing REF is not repeated.
merge() {
  way=$1 merged_commit=$2
  shift 2
  locate >&2 || { refuse "$why"; return; }
  [ "$way" = revert ] || ! tell_earlier "$1" || return 0
  resolve "$merged_commit^{tree}" "$merged_commit^1^{tree}"
  its_tree=${resolved# } its_tree=${its_tree%% *} parent_tree=${resolved##* }
  [ "$its_tree" != - ] || { refuse gone; return; }
  [ "$parent_tree" != - ] || parent_tree=$EMPTY_TREE
  take_checkpoint >/dev/null || return 1
  now=$files_now
  case "$way" in
    revert) merged=$(merge_trees "$its_tree" "$now" "$parent_tree") ;;
    *) merged=$(merge_trees "$parent_tree" "$now" "$its_tree") ;;
  esac
  case $? in
    0) ;;
    1) echo "conflict $(printf '%s\n' "$merged" | sed 1d | encode) $word"; return ;;
    *) return 1 ;;
  esac
  [ "$merged" != "$now" ] || { refuse done; return; }
  keep_files "$now" "$merged" >&2 && cd "$WORKSPACE" || return 1
  blocked=$(obstacles "$now" "$merged" | encode)
  [ -z "$blocked" ] || { echo "blocked $blocked $word"; return; }
  if ! git_files read-tree -m -u "$now" "$merged" >&2; then
    # The index must know the written files, so that the restore removes them.
    { git_files read-tree -m "$now" "$merged" && restore_files "$now"; } >&2
    return 1
  fi
  take_checkpoint >/dev/null || return 1
  commit "$now" "$files_now" "$meta_now" "$1" anew "$2" "$3" "$4" "$5"
}

# Sends the commits of codex/work again if a read-only turn has removed their objects.
mend_commits() {
  locate 2>/dev/null || return 0
  at=$(users rev-parse -q --verify "$WORK") && ! users cat-file -e "$at^{tree}" 2>/dev/null || return 0
  rm -f "$shadow"/commit.*
  send "$at" 2>/dev/null || return 0
}
