#!/bin/sh
# The part of commits.sh that makes the trees of commits from those of snapshots. In most cases they are
# the same; they differ by submodules, by files that are too large for commits, and by those that a
# snapshot leaves out.
# Submodules stay what they are for git, although a snapshot has their files: `commit.links` has them.
find_links() {
  : >"$shadow/commit.links"
  if [ "$1" != "$2" ]; then
    both diff-tree -r --no-renames --no-abbrev "$1" "$2" \
      | sed -n 's/^:160000 [^	]*	//p' >"$shadow/commit.links"
  fi
  [ -f "$WORKSPACE/.gitmodules" ] || return 0
  users ls-files -s | sed -n 's/^160000 [^	]*	//p' >>"$shadow/commit.links"
}

# What is missing from a snapshot and yet not deleted: ignored files that the user tracks, and those
# that a sparse checkout leaves out.
find_hidden() {
  : >"$shadow/commit.hidden"
  sed -n '/^:160000/d; s/^:[0-7]* 000000 [^	]*	//p' "$shadow/commit.lines" >"$shadow/commit.gone"
  [ -s "$shadow/commit.gone" ] || return 0
  (cd "$WORKSPACE" && git_files check-ignore --no-index --stdin <"$shadow/commit.gone") \
    >"$shadow/commit.hidden" 2>/dev/null
  [ "$(users config --bool core.sparseCheckout 2>/dev/null)" = true ] || return 0
  users ls-files -t | sed -n 's/^S //p' >>"$shadow/commit.hidden"
}

# In awk, since the shell is slow with many lines. Writes what `git update-index --index-info` reads.
KEEP='
function plain(path) { return path ~ /^"/ ? substr(path, 2, length(path) - 2) : path }
function inLink(path, link) {
  for (link in links) if (path == link || index(path, link "/") == 1) return 1
  return 0
}
FILENAME == ENVIRON["SIZES"] { size[FNR] = $2; next }
FILENAME == ENVIRON["LINKS"] { links[plain($0)] = 1; next }
FILENAME == ENVIRON["HIDDEN"] { hidden[$0] = 1; next }
{
  tab = index($0, "\t")
  path = substr($0, tab + 1)
  split(substr($0, 2, tab - 2), field, " ")
  gone = field[2] == "000000"
  why = ""
  if (path in hidden) why = "ignored"
  else if (inLink(plain(path))) why = "submodule"
  else if (!gone && size[FNR] + 0 > ENVIRON["LIMIT"] + 0) why = "large"
  if (why == "") print (gone ? "0" : field[2]) " " field[4] "\t" path
  else print path > ENVIRON["SKIPPED"]
  told = why == "large" || (why == "submodule" && ENVIRON["TELL"] != "")
  if (told) print why "\t" path >> ENVIRON["NOTES"]
  if (FNR == 100) print path > ENVIRON["MANY"]
}'

# The tree BASE, changed as FROM became TO, but for what is no part of commits; in `settled`. The fourth
# argument says of which files this is: those before a turn, after it, or now.
settle() {
  settled=$3
  lines=$shadow/commit.lines
  [ "$2" != "$3" ] || { settled=$1; return; }
  both diff-tree -r --no-renames --no-abbrev "$2" "$3" >"$lines" || return 1
  if [ "$1" = "$2" ]; then find_hidden; else : >"$shadow/commit.hidden"; fi
  cut -d ' ' -f 4 "$lines" | both cat-file --batch-check='%(objectname) %(objectsize)' \
    >"$shadow/commit.sizes" || return 1
  SIZES="$shadow/commit.sizes" LINKS="$shadow/commit.links" HIDDEN="$shadow/commit.hidden" \
    NOTES="$shadow/commit.notes" SKIPPED="$shadow/commit.skipped" MANY="$shadow/commit.many" \
    LIMIT="$size_limit" TELL="${4#before}" awk "$KEEP" \
    "$shadow/commit.sizes" "$shadow/commit.links" "$shadow/commit.hidden" "$lines" \
    >"$shadow/commit.kept" || return 1
  # In most cases all is kept, and the tree is there already.
  [ "$1" != "$2" ] || [ -s "$shadow/commit.links" ] || [ -e "$shadow/commit.skipped" ] || return 0
  both read-tree "$1" && both update-index --add --replace --index-info <"$shadow/commit.kept" \
    && { [ "$4" = before ] || moved_links | both update-index --add --replace --index-info; } \
    && settled=$(both write-tree)
}

# Where submodules are now. One whose name git quotes stays as it was.
moved_links() {
  while IFS= read -r link; do
    case "$link" in '"'*) continue ;; esac
    if [ ! -e "$WORKSPACE/$link" ]; then printf '0 %s\t%s\n' "$NOBODY" "$link"; continue; fi
    at=$(git --git-dir="$WORKSPACE/$link/.git" rev-parse -q --verify 'HEAD^{commit}' 2>/dev/null) \
      && [ "${#at}" = 40 ] && printf '160000 %s\t%s\n' "$at" "$link"
  done <"$shadow/commit.links"
}

# A commit of a tree, its message on standard input. Arguments: author, seconds, tree, parents.
commit_tree() {
  author=$1
  seconds=$2
  tree=$3
  shift 3
  for parent; do shift; [ "$parent" = - ] || set -- "$@" -p "$parent"; done
  export GIT_COMMITTER_DATE="@$seconds +0000"
  GIT_AUTHOR_NAME="$author" GIT_AUTHOR_EMAIL="$author@agents.invalid" \
    GIT_AUTHOR_DATE="@$seconds +0000" both commit-tree "$tree" "$@"
}

# A merge of two trees over a third. Answers 1 with the names of files that conflict after the tree.
merge_trees() {
  over=$(: | commit_tree codex-mcp-server 0 "$1") || return 2
  ours=$(: | commit_tree codex-mcp-server 0 "$2" "$over") || return 2
  theirs=$(: | commit_tree codex-mcp-server 0 "$3" "$over") || return 2
  both merge-tree --write-tree --name-only --no-messages "$ours" "$theirs"
}
