#!/bin/sh
# The part of workspace.sh that deletes refs of expired turns and packs loose objects, in the repository of
# the user and in that of checkpoints, while no turn runs.
#
# In the user's repository only refs of the server are deleted. All its loose objects, dangling ones included,
# are packed, and small packs merged; its settings are ignored and no hook runs. The next run removes the
# files of a killed one.
REFS_LOOSE=100
TIDY_SECONDS=60

command -v timeout >/dev/null && tidy_limit="timeout $TIDY_SECONDS" || tidy_limit=

# Counts loose objects up to a limit.
loose_objects() {
  find "$1" \( -path "$1/pack" -o -path "$1/info" \) -prune -o -type f -print 2>/dev/null \
    | head -n "$2" | wc -l
}

# tidy SINCE LOOSE: deletes refs of turns committed before SINCE, and packs a repository with LOOSE or more loose
# objects. After a timeout, the next attempt is at twice that number.
tidy() {
  (tidy_users "$1" "$2") >&2
  wanted=$2
  [ ! -s "$shadow/tidy.ours" ] || read -r wanted <"$shadow/tidy.ours"
  found=$(loose_objects "$shadow/objects" "$wanted")
  if [ "$found" -ge "$wanted" ]; then
    (pack) >&2 && rm -f "$shadow/tidy.ours" || echo $((wanted * 2)) >"$shadow/tidy.ours"
  fi
  echo "ok $word"
}

tidy_users() {
  cd "$WORKSPACE" && ! git_at_work && locate || return 0
  finish_tidying
  echo "$common" >"$shadow/tidying"
  forget_refs "$1"
  pack_users "$2"
  rm -f "$shadow/tidying"
}

# Removes locks and incomplete packs of a killed tidy.
finish_tidying() {
  [ -f "$shadow/tidying" ] && ! git_at_work && locate 2>/dev/null || return 0
  rm -f "$common/packed-refs.lock" "$common/packed-refs.new" "$shadow/tidying"
  rm -f "$common"/objects/pack/.tmp-* "$common"/objects/pack/tmp_pack_* "$common"/objects/pack/tmp_idx_*
}

forget_refs() {
  users for-each-ref --format='%(committerdate:unix) %(refname)' \
    refs/codex/turns refs/codex/reverts refs/codex/promoted \
    | SINCE="$1" awk '$1 ~ /^[0-9]+$/ && NF == 2 && $1 + 0 < ENVIRON["SINCE"] + 0 { print "delete " $2 }' \
      >"$shadow/tidy.refs"
  [ ! -s "$shadow/tidy.refs" ] || users update-ref --stdin <"$shadow/tidy.refs"
  rm -f "$shadow/tidy.refs"
  refs=$(find "$common/refs/codex" -type f 2>/dev/null | head -n "$REFS_LOOSE" | wc -l)
  [ "$refs" -lt "$REFS_LOOSE" ] || users pack-refs --all
}

# Skips repositories with alternates or promisor packs, which git may mix up.
pack_users() {
  wanted=$1
  [ ! -s "$shadow/tidy.users" ] || read -r wanted <"$shadow/tidy.users"
  [ "$(loose_objects "$common/objects" "$wanted")" -ge "$wanted" ] || return 0
  [ ! -e "$common/objects/info/alternates" ] && ! ls "$common"/objects/pack/*.promisor >/dev/null 2>&1 \
    || return 0
  if $tidy_limit git --git-dir="$WORKSPACE/.git" -c core.hooksPath=/dev/null -c core.fsmonitor=false \
    -c core.bigFileThreshold=16m -c core.multiPackIndex=false -c pack.threads=1 -c pack.windowMemory=64m \
    -c pack.writeBitmaps=false -c repack.writeBitmaps=false -c repack.useDeltaIslands=false \
    repack --geometric=2 -d -n -q; then
    rm -f "$shadow/tidy.users"
  else
    echo $((wanted * 2)) >"$shadow/tidy.users"
  fi
}
