#!/bin/sh
# The part of workspace.sh that makes commits of snapshots in the repository of the workspace.
#
# All is computed in the repository of the snapshots, whose settings are ours, with the objects of the
# user's repository within reach. The user's is asked what its refs are, and is given objects and
# refs of ours; its index, its HEAD, its branches and its files are left alone, and none of its hooks,
# drivers or filters runs.
#
# Paths are read and written as git quotes them, one a line, so that no name can break out of its line.
EMPTY_TREE=4b825dc642cb6eb9a060e54bf8d69288fbee4904
NOBODY=0000000000000000000000000000000000000000
WORK=refs/heads/codex/work
export GIT_NO_REPLACE_OBJECTS=1 GIT_GRAFT_FILE=/dev/null/none GIT_NO_LAZY_FETCH=1 GIT_TERMINAL_PROMPT=0
# What a partial clone lacks would be fetched, by whatever program its settings name.
export GIT_ALLOW_PROTOCOL=none
export GIT_COMMITTER_NAME=codex-mcp-server GIT_COMMITTER_EMAIL=server@agents.invalid

users() {
  git --git-dir="$WORKSPACE/.git" --work-tree="$WORKSPACE" -c core.fsmonitor=false \
    -c core.hooksPath=/dev/null -c core.quotePath=true -c core.filesRefLockTimeout=1000 \
    -c core.fsyncMethod=batch -c core.bare=false "$@"
}

# Ours, with the objects of the user's within reach.
both() {
  GIT_DIR="$shadow" GIT_INDEX_FILE="$shadow/commit.index" \
    GIT_ALTERNATE_OBJECT_DIRECTORIES="\"$common/objects\"" \
    git -c core.looseCompression=1 -c core.attributesFile=/dev/null \
      -c merge.directoryRenames=false "$@"
}

# Finds the repository, or says why there can be no commits in it.
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

# The ids of what is named, in `resolved`; `-` for what is not there.
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

# Whether a commit has another in its history; one that is not there is in each that is.
contains() {
  [ "$1" != - ] || return 1
  [ "$2" = - ] || [ "$1" = "$2" ] || users merge-base --is-ancestor "$2" "$1" 2>/dev/null
}

# Where HEAD was when a snapshot of .git was taken: `-` if it was unborn, or the present HEAD if nobody can tell.
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

# What a commit goes on from, in `base`, and the commits that the agent made itself, in `second`.
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

# Gives the user's repository a commit, with what it lacks for it. Arguments: it, and what it has.
send() {
  printf '%s\n' "$1" >"$shadow/commit.revs"
  shift
  for known; do [ "$known" = - ] || printf '^%s\n' "$known" >>"$shadow/commit.revs"; done
  # What is unpacked is compressed there, and what stays a pack is so here.
  set -- unpack-objects -q
  effort=0
  [ ! -e "$shadow/commit.many" ] || { set -- index-pack --stdin; effort=1; }
  both -c pack.threads=1 -c pack.compression=$effort pack-objects --revs --stdout -q --window=0 \
    <"$shadow/commit.revs" | users "$@" >/dev/null && return
  # On a full disk git leaves what it had written.
  git_at_work || remove_half_objects "$common/objects"
  return 1
}

# Whether the branch is what somebody has checked out, or has a rebase of.
is_checked_out() {
  for file in "$common"/HEAD "$common"/worktrees/*/HEAD "$common"/rebase-*/head-name \
    "$common"/worktrees/*/rebase-*/head-name; do
    line=
    [ -f "$file" ] && read -r line <"$file"
    [ "${line#ref: }" != "$WORK" ] || return 0
  done
  return 1
}

# Sets the refs, in one step: REF COMMIT WAS, the last being what the ref was when the commit was begun. It is
# another one by now where a shell of an earlier server goes on late. Nobody holds their locks for a
# second: one that stays is of a git that was killed.
point() {
  moved=no
  mine="update $1 $2 $3"
  is_checked_out || moved=yes
  was_at=$tip
  # It may lead to an object that is lost.
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

# Lines as one word, cut where they would be too long for an answer.
encode() {
  head -c 4096 | base64 | tr -d '\n'
}

# What is to be known of a commit; a dash for nothing.
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
  # A shell that was killed just after it had made the commit is asked again, too.
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

# made_before COMMIT PARENT: tells of it. git sets one ref after the other, and may have been killed in between.
made_before() {
  moved=yes
  if [ "$tip" != "$1" ] && { [ "$tip" = - ] || both merge-base --is-ancestor "$tip" "$1"; }; then
    point "$ref_name" "$1" "$1" || moved=no
  fi >&2
  echo "ok $1 $2 $moved - $word"
}

# tell_earlier REF: tells of the commit that is there already, if one is.
tell_earlier() {
  ref_name=refs/codex/$1
  resolve "$ref_name^{commit}" "$ref_name^1^{commit}" "$WORK^{commit}"
  set -- $resolved
  tip=$3
  [ "$1" != - ] && made_before "$1" "$2"
}

# Makes the commit of a turn, in `made`, on one of the files before it where those were in no commit.
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
  # A first commit of the agent's own is never all that a commit of ours goes on from.
  if [ "$before_tree" != "$base_tree" ] || { [ "$base" = - ] && [ "$second" != - ]; }; then
    parent=$(echo 'Files before the turn' \
      | commit_tree codex-mcp-server "$at" "$before_tree" "$base") || return 1
  fi
  made=$(printf %s "$message" | base64 -d | commit_tree "$who" "$at" "$settled" "$parent" "$second")
}

# working-tree LIMIT: the files as they are now, as a commit of them would have them, and what HEAD is.
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

# Gives the snapshots what a tree has beyond one of theirs: files will be written of it.
keep_files() {
  printf '%s\n^%s\n' "$2" "$1" | both pack-objects --revs --stdout -q --window=0 \
    | GIT_DIR="$shadow" git unpack-objects -q
}

# What no snapshot has stands where a tree has a file: it is ignored, and would be lost.
obstacles() {
  both diff-tree -r --no-renames --name-only --diff-filter=AT "$1" "$2" | while IFS= read -r new; do
    case "$new" in '"'*) continue ;; esac
    held=$new
    while [ ! -e "$held" ] && [ ! -L "$held" ] && [ "$held" != "${held%/*}" ]; do held=${held%/*}; done
    [ -L "$held" ] || [ ! -d "$held" ] || [ "$held" = "$new" ] || continue
    if [ -e "$held" ] || [ -L "$held" ]; then hides "$held" "$1" && printf '%s\n' "$held"; fi
  done
}

# Whether there is something at a path that a tree does not have.
hides() {
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    [ -n "$(git_files ls-files --others -- ":(literal)$1" | head -n 1)" ]
  else
    [ -z "$(both ls-tree "$2" -- ":(literal)$1")" ]
  fi
}

# merge revert|apply COMMIT REF SECONDS AUTHOR LIMIT MESSAGE: takes back what a commit did, or does it
# once more, in the files as they are now, and commits that. What was done once more is not again.
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
    # An index that knows what may have been written has it removed.
    { git_files read-tree -m "$now" "$merged" && restore_files "$now"; } >&2
    return 1
  fi
  take_checkpoint >/dev/null || return 1
  commit "$now" "$files_now" "$meta_now" "$1" anew "$2" "$3" "$4" "$5"
}

# What a turn that may only read did to objects is not in its snapshots. Ours can be had again.
mend_commits() {
  locate 2>/dev/null || return 0
  at=$(users rev-parse -q --verify "$WORK") && ! users cat-file -e "$at^{tree}" 2>/dev/null || return 0
  rm -f "$shadow"/commit.*
  send "$at" 2>/dev/null || return 0
}
