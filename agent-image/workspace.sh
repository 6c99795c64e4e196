#!/bin/sh
# Runs in the container for as long as the agent is awake: reads commands, one a line, and answers
# each with one line. A process of its own for every snapshot would cost more than the snapshot.
#
# A snapshot is two git trees in a repository that the user never sees: one of the files that git
# would not ignore, those of nested repositories included, and one of `.git` itself without its
# objects, so that a branch moved or a hook planted is noticed too.
#
# Each command begins with a word that nobody else knows, and its answer ends with it: others in the
# container can write into the same pipe.
#
# - `ready` answers `ok` when what an earlier shell left is in order
# - `snapshot` answers `ok FILES GIT TICKS`, the last being when it was taken, as the kernel counts
# - `restore FILES GIT` brings both back, after a snapshot of the present, and answers `ok`
# - `pack` drops what no file of the last snapshot needs, and answers `ok`
# - `commit …`, `present …` and `merge …` are told in commits.sh, which comes before this
# - `tidy …` is told in tidy.sh, and answers `ok`
# - `kill TICKS` kills what was started since then and still runs, and answers `ok`
#
# A failure answers `failed`, with the reason on standard error.
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

# What an upload left when its server died: one that was whole is put in its place, half of one goes. What
# cannot be put there now stays, with what it was to replace.
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

# What the agent's commands may have written there would hide files from the snapshots, or change them.
disarm() {
  own_settings || return 1
  [ "$(seal)" = "$sealed" ] || forget_indexes
}

own_settings() {
  if [ -e "$shadow/info" ] || [ -L "$shadow/info" ]; then rm -rf "$shadow/info"; fi
  printf '[core]\n\trepositoryformatversion = 0\n\tbare = true\n' >"$shadow/config"
}

# An index that somebody else wrote may say of changed files that they are as they were.
seal() {
  GIT_DIR="$shadow" git hash-object --no-filters "$shadow/files.index" "$shadow/meta.index" 2>&1
}

# The seal of an earlier shell is not known. One that ended in mid-life may have been killed for that;
# otherwise an index is taken over, unless it has files in it that are not to be looked at.
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

# In hundredths of a second since the machine started, the unit of field 22 of /proc/PID/stat.
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

# The first snapshot of a large clone would compress all of it once more. What its last commit holds is
# packed already, and copied, as long as there is no pack of ours. It only saves time, and may fail; a
# sparse checkout may have little of it.
begin_with_head() {
  for pack in "$shadow"/objects/pack/*.pack; do [ ! -e "$pack" ] || return 0; done
  locate 2>/dev/null && seed=$(users rev-parse -q --verify 'HEAD^{tree}' 2>/dev/null) || return 0
  [ "$(users config --bool core.sparseCheckout 2>/dev/null)" != true ] || return 0
  echo "$seed" | both -c pack.compression=1 pack-objects --revs --stdout -q --window=0 2>/dev/null \
    | GIT_DIR="$shadow" git index-pack --stdin >/dev/null 2>&1 || return 0
}

# Who is killed while it records leaves a lock, or half an index. Both only save time, so that they can
# go; but one that outlived the server may still be at work, and gets a while to end.
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

# A new .gitignore hid files from the snapshot before: they are seen now that it is gone.
restore_hidden() {
  add_files >&2 && [ "$(git_files write-tree)" = "$1" ] || restore_files "$1"
}

# Callers wait for it, so it gives up after a while; what it leaves half done the next one drops.
pack() {
  command -v timeout >/dev/null && limit='timeout 60' || limit=
  GIT_DIR="$shadow" git update-ref refs/kept/files "$(git_files write-tree)" \
    && GIT_DIR="$shadow" git update-ref refs/kept/meta "$(git_meta write-tree)" \
    && GIT_DIR="$shadow" $limit git -c core.bigFileThreshold=16m repack -a -d -q --window=0 \
    && GIT_DIR="$shadow" $limit git prune --expire=now && echo "ok $word"
}

# What the server runs by exec has no parent here, and a daemon gets the first process as its parent.
strays() {
  for dir in /proc/[0-9]*; do
    read -r stat 2>/dev/null <"$dir/stat" || continue
    set -- ${stat##*) }
    [ "$1" = Z ] || [ "$2" = 0 ] || [ "$2" = $$ ] || [ "${20}" -lt "$since" ] && continue
    case $(readlink "$dir/exe") in */codex-code-mode-host) continue ;; esac
    echo "${dir#/proc/}"
  done
}

# A machine that is busy takes its time to let even the killed die.
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
  # None of them has a blank or a wildcard in it.
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
