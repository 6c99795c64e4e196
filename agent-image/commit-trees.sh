#!/bin/sh
# The part of commits.sh that makes the trees of commits from those of checkpoints. They differ only by
# submodules, by files above the size limit, and by files that a checkpoint does not include.
# Writes the submodules to `commit.links`: a commit records their commits, a checkpoint their files.
find_links() {
  : >"$shadow/commit.links"
  if [ "$1" != "$2" ]; then
    both diff-tree -r --no-renames --no-abbrev "$1" "$2" \
      | sed -n 's/^:160000 [^	]*	//p' >"$shadow/commit.links"
  fi
  [ -f "$WORKSPACE/.gitmodules" ] || return 0
  users ls-files -s | sed -n 's/^160000 [^	]*	//p' >>"$shadow/commit.links"
}

# Writes files to `commit.hidden` that a checkpoint does not include although they exist in git: ignored
# but tracked files, and files outside of a sparse checkout.
find_hidden() {
  : >"$shadow/commit.hidden"
  sed -n '/^:160000/d; s/^:[0-7]* 000000 [^	]*	//p' "$shadow/commit.lines" >"$shadow/commit.gone"
  [ -s "$shadow/commit.gone" ] || return 0
  (cd "$WORKSPACE" && git_files check-ignore --no-index --stdin <"$shadow/commit.gone") \
    >"$shadow/commit.hidden" 2>/dev/null
  [ "$(users config --bool core.sparseCheckout 2>/dev/null)" = true ] || return 0
  users ls-files -t | sed -n 's/^S //p' >>"$shadow/commit.hidden"
}

# In awk, since the shell is slow with many lines. The output is for `git update-index --index-info`.
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

# settle BASE FROM TO before|after|now: sets `settled` to the tree BASE with the changes from FROM to TO that
# are part of commits.
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
  # Usually all changes are kept, and the tree exists.
  [ "$1" != "$2" ] || [ -s "$shadow/commit.links" ] || [ -e "$shadow/commit.skipped" ] || return 0
  both read-tree "$1" && both update-index --add --replace --index-info <"$shadow/commit.kept" \
    && { [ "$4" = before ] || moved_links | both update-index --add --replace --index-info; } \
    && settled=$(both write-tree)
}

# The present commits of submodules, except for quoted names.
moved_links() {
  while IFS= read -r link; do
    case "$link" in '"'*) continue ;; esac
    if [ ! -e "$WORKSPACE/$link" ]; then printf '0 %s\t%s\n' "$NOBODY" "$link"; continue; fi
    at=$(git --git-dir="$WORKSPACE/$link/.git" rev-parse -q --verify 'HEAD^{commit}' 2>/dev/null) \
      && [ "${#at}" = 40 ] && printf '160000 %s\t%s\n' "$at" "$link"
  done <"$shadow/commit.links"
}

# Commits a tree with the message on standard input. Arguments: author, seconds, tree, parents.
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

# Merges two trees over a third. Exits with 1 and lists conflicting files after the tree.
merge_trees() {
  over=$(: | commit_tree codex-mcp-server 0 "$1") || return 2
  ours=$(: | commit_tree codex-mcp-server 0 "$2" "$over") || return 2
  theirs=$(: | commit_tree codex-mcp-server 0 "$3" "$over") || return 2
  both merge-tree --write-tree --name-only --no-messages "$ours" "$theirs"
}
