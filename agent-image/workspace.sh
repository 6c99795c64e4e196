#!/bin/sh
# Runs in the container for as long as the agent is awake: reads one command per line and answers each
# with one line. A new process per checkpoint would cost more than the checkpoint.
#
# A checkpoint is two git trees in a repository of its own ($SNAPSHOTS): one of all files that git does not
# ignore, including those of nested repositories, and one of `.git` without its objects, so that a moved
# branch or a new hook is noticed too.
#
# Each command starts with a random word, and its answer ends with that word, since other processes of the
# container can write to the same pipe.
#
# - `ready` answers `ok` after the startup has completed interrupted operations
# - `checkpoint` answers `ok FILES GIT TICKS`; TICKS is the kernel time
# - `restore FILES GIT` takes a checkpoint, restores both trees and answers `ok`
# - `pack` drops all checkpoints but the last and answers `ok`
# - `commit …`, `working-tree …` and `merge …` are described in commits.sh, which precedes this script
# - `tidy …` is described in tidy.sh and answers `ok`
# - `kill TICKS` kills all processes started since then and answers `ok`
#
# A failure is answered with `failed`; the reason is on standard error.
set -u
shadow="$SNAPSHOTS"
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 LC_ALL=C
export GIT_DEFAULT_HASH=sha1
sealed=

git_files() {
  GIT_DIR="$shadow" GIT_INDEX_FILE="$shadow/files.index" GIT_WORK_TREE="$WORKSPACE" \
    git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.safecrlf=false \
      -c core.autocrlf=false -c core.attributesFile=/dev/null -c core.excludesFile=/dev/null \
      -c core.looseCompression=1 -c advice.addEmbeddedRepo=false "$@"
}

git_meta() {
  GIT_DIR="$shadow" GIT_INDEX_FILE="$shadow/meta.index" GIT_WORK_TREE="$WORKSPACE/.git" \
    git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.autocrlf=false \
      -c core.looseCompression=1 "$@"
}

# Completes or removes an upload that a dead server left. If its files cannot be moved now, they stay with the
# files that they replace.
finish_upload() {
  if [ -e "$STAGING/order.json" ]; then node -e "$PLACE" || return 0; fi
  rm -rf "$STAGING" 2>/dev/null || { chmod -R u+rwX "$STAGING"; rm -rf "$STAGING"; }
}

prepare() {
  cd "$WORKSPACE" || return 1
  if [ -n "${STAGING:-}" ] && { [ -e "$STAGING" ] || [ -L "$STAGING" ]; }; then finish_upload; fi
  [ -e .git ] || git -c init.defaultBranch=main init -q . || return 1
  undo_unfinished_push
  finish_tidying
  [ -f "$shadow/HEAD" ] || git init -q --bare "$shadow"
}

# Resets the settings of the repository, by which an agent could hide files from checkpoints.
disarm() {
  own_settings || return 1
  [ "$(seal)" = "$sealed" ] || forget_indexes
}

own_settings() {
  if [ -e "$shadow/info" ] || [ -L "$shadow/info" ]; then rm -rf "$shadow/info"; fi
  printf '[core]\n\trepositoryformatversion = 0\n\tbare = true\n' >"$shadow/config"
}

# The hash of the indexes: an index that another process wrote may mark changed files as unchanged.
seal() {
  GIT_DIR="$shadow" git hash-object --no-filters "$shadow/files.index" "$shadow/meta.index" 2>&1
}

# The seal of an earlier shell is unknown. An index is reused unless that shell was killed (DISTRUST) or the
# index marks files as unchanged.
first_seal() {
  [ -z "${DISTRUST:-}" ] && [ -f "$shadow/files.index" ] && own_settings || return 0
  GIT_DIR="$shadow" GIT_INDEX_FILE="$shadow/files.index" git ls-files -v | grep -q '^[a-zS]' || seal
}

nested_repositories() {
  find . -mindepth 2 -name .git -prune -print | sed 's|^\./||; s|/\.git$||'
}

add_nested() {
  while IFS= read -r nested; do
    git_files ls-files -z -- "$nested"
    find "$nested" -name .git -prune -o \( -type f -o -type l \) -print0
  done | git_files update-index --add --remove --replace -z --stdin
}

add_files() {
  cd "$WORKSPACE" || return 1
  nested=$(nested_repositories) || return 1
  if [ -z "$nested" ]; then git_files add -A .; return; fi
  set -- .
  while IFS= read -r path; do set -- "$@" ":(exclude,literal)$path"; done <<EOF
$nested
EOF
  git_files add -A -- "$@" && printf '%s\n' "$nested" | add_nested
}

add_meta() {
  [ -d "$WORKSPACE/.git" ] || { git_meta read-tree --empty; return; }
  cd "$WORKSPACE/.git" && git_meta add -A -f -- . ':(exclude,glob)objects/**' ':(exclude,glob)**/*.lock'
}

# Hundredths of a second since the boot, the unit of field 22 of /proc/PID/stat.
ticks() {
  read -r uptime _ </proc/uptime && echo "${uptime%.*}${uptime#*.}"
}

take_checkpoint() {
  [ -f "$shadow/files.index" ] || begin_with_head >&2
  ticks_now=$(ticks) || return 1
  files_now=$(add_files >&2 && git_files write-tree) || return 1
  meta_now=$(add_meta >&2 && git_meta write-tree) || return 1
  echo "ok $files_now $meta_now $ticks_now $word"
}

# Copies the packed objects of HEAD before the first checkpoint, which would compress them again. This only
# saves time and may fail. A sparse checkout is skipped, since it has few of the objects.
begin_with_head() {
  for pack in "$shadow"/objects/pack/*.pack; do [ ! -e "$pack" ] || return 0; done
  locate 2>/dev/null && seed=$(users rev-parse -q --verify 'HEAD^{tree}' 2>/dev/null) || return 0
  [ "$(users config --bool core.sparseCheckout 2>/dev/null)" != true ] || return 0
  echo "$seed" | both -c pack.compression=1 pack-objects --revs --stdout -q --window=0 2>/dev/null \
    | GIT_DIR="$shadow" git index-pack --stdin >/dev/null 2>&1 || return 0
}

# Removes locks and indexes that a killed git left; indexes only save time. A git of an earlier server may
# still run, and has 2 s to exit.
forget_indexes() {
  looks=0
  while [ -n "$(find "$shadow" -maxdepth 1 -name '*.index.lock')" ] && [ "$looks" -lt 20 ]; do
    sleep 0.1
    looks=$((looks + 1))
  done
  rm -f "$shadow"/files.index* "$shadow"/meta.index*
  remove_half_objects "$shadow/objects"
}

remove_half_objects() {
  find "$1" -maxdepth 2 -type f \( -name 'tmp_obj_*' -o -name 'tmp_pack_*' -o -name 'tmp_idx_*' \) \
    -exec rm -f {} +
}

checkpoint() {
  take_checkpoint || { forget_indexes; take_checkpoint; } || { forget_indexes; return 1; }
}

remove_new_repositories() {
  cd "$WORKSPACE" || return 1
  nested_repositories | while IFS= read -r path; do
    [ -n "$(git_files ls-tree "$1" -- "$path")" ] || rm -rf -- "$path"
  done
}

restore() {
  mkdir -p "$WORKSPACE/.git/objects" "$WORKSPACE/.git/refs/heads"
  restore_files "$1" && restore_hidden "$1" \
    && cd "$WORKSPACE/.git" && git_meta read-tree --reset -u "$2" && mend_commits >&2 && echo "ok $word"
}

restore_files() {
  remove_new_repositories "$1" && cd "$WORKSPACE" && git_files read-tree --reset -u "$1"
}

# Restores again if the removal of a new .gitignore has revealed files.
restore_hidden() {
  add_files >&2 && [ "$(git_files write-tree)" = "$1" ] || restore_files "$1"
}

# Calls wait for it, so it has a time limit; the next run removes incomplete files.
pack() {
  command -v timeout >/dev/null && limit='timeout 60' || limit=
  GIT_DIR="$shadow" git update-ref refs/kept/files "$(git_files write-tree)" \
    && GIT_DIR="$shadow" git update-ref refs/kept/meta "$(git_meta write-tree)" \
    && GIT_DIR="$shadow" $limit git -c core.bigFileThreshold=16m repack -a -d -q --window=0 \
    && GIT_DIR="$shadow" $limit git prune --expire=now && echo "ok $word"
}

# A process that the server started by exec has parent 0; a daemon has parent 1.
strays() {
  for dir in /proc/[0-9]*; do
    read -r stat 2>/dev/null <"$dir/stat" || continue
    set -- ${stat##*) }
    [ "$1" = Z ] || [ "$2" = 0 ] || [ "$2" = $$ ] || [ "${20}" -lt "$since" ] && continue
    case $(readlink "$dir/exe") in */codex-code-mode-host) continue ;; esac
    echo "${dir#/proc/}"
  done
}

# On a busy machine, killed processes exit late.
kill_strays() {
  since=$1
  tries=0
  while [ "$tries" -lt 100 ]; do
    found=$(strays)
    [ -n "$found" ] || { echo "ok $word"; return; }
    kill -9 $found 2>/dev/null
    tries=$((tries + 1))
    [ "$tries" -lt 3 ] || sleep 0.05
  done
  return 1
}

prepare >&2 || exit 1
sealed=$(first_seal)
while read -r word command arguments; do
  # No argument contains a blank or a wildcard.
  set -- $arguments
  case "$command" in
    ready) echo "ok $word" ;;
    checkpoint) (disarm >&2 && checkpoint) || echo failed ;;
    restore) (disarm >&2 && checkpoint >/dev/null && restore "$1" "$2") || echo failed ;;
    pack) (disarm >&2 && pack) || echo failed ;;
    tidy) (disarm >&2 && tidy "$@") || echo failed ;;
    kill) kill_strays "$1" || echo failed ;;
    commit) (own_settings >&2 && commit "$@") || echo failed ;;
    working-tree) (disarm >&2 && working_tree "$@") || echo failed ;;
    merge) (disarm >&2 && merge "$@") || echo failed ;;
    *) echo failed ;;
  esac
  case "$command" in ready | kill | commit) ;; *) sealed=$(seal) ;; esac
done
