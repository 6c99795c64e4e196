#!/bin/sh
# Has an agent mend what a check finds broken, and pushes what it did as a branch of origin:
#
#     CODEX_MCP_URL=http://localhost:8210 ./fix-failing-test.sh 'npm test'
#
# Ends with 0 if the check passes, here or once the agent has worked. Otherwise nothing is pushed, and
# the output of the check is on standard error. CODEX_MCP_TOKEN is the token, if the server wants one;
# CODEX_MCP_JOB names the job, and with it agent and branch. Needs git 2.31, curl 7.76 and jq.
# The check also runs where the agent works, which reaches no network but what EGRESS_ALLOW allows:
# 'npm ci && npm test' needs EGRESS_ALLOW=npm.
set -eu

check=${1:-npm test}
server=${CODEX_MCP_URL:-http://localhost:8210}
job=$(printf %s "${CODEX_MCP_JOB:-$(date +%s)-$$}" | tr -c 'A-Za-z0-9_-' -)
agent=ci-$job
branch=codex/fix-$job
remote=$server/agents/$agent/workspace.git
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The token is in no URL and in no list of processes: git reads its environment, curl its input.
agent_git() {
  if [ -n "${CODEX_MCP_TOKEN:-}" ]; then
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader \
      GIT_CONFIG_VALUE_0="Authorization: Bearer $CODEX_MCP_TOKEN" git "$@"
  else
    git "$@"
  fi
}
call() {
  { [ -z "${CODEX_MCP_TOKEN:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$CODEX_MCP_TOKEN"; } |
    curl --config - -sS --fail-with-body --data-binary "@$2" "$server/tools/$1" 2>"$scratch/curl"
}
fail() {
  jq -er '.error | "\(.code): \(.message) \(.hint // "")"' "$scratch/result" >&2 || cat "$scratch/curl" >&2
  exit 1
}

if sh -c "$check" >"$scratch/output" 2>&1; then
  echo "'$check' passes: there is nothing to mend."
  exit 0
fi
echo "'$check' fails. Asking $agent at $server."
# Git would only ask for a password if the token is wrong.
echo '{}' >"$scratch/call"
call list_sessions "$scratch/call" >"$scratch/result" || fail
agent_git push --quiet "$remote" HEAD:refs/heads/main

tail -c 20000 "$scratch/output" >"$scratch/end"
jq -n --arg agent "$agent" --arg check "$check" --rawfile output "$scratch/end" '{
  agent_id: $agent,
  symptoms: ["The command fails: " + $check],
  error_output: $output,
  check_command: $check,
  max_rounds: 3,
  timeout_seconds: 1800
}' >"$scratch/call"
call fix "$scratch/call" >"$scratch/result" || fail
if ! jq -e .check.passed "$scratch/result" >/dev/null; then
  jq -r '.check.output, .warnings[]' "$scratch/result" >&2
  exit 1
fi
commit=$(jq -r '.commit.id // empty' "$scratch/result")
if [ -z "$commit" ]; then
  echo "'$check' passes where the agent works, without a change: it depends on the machine." >&2
  exit 1
fi

# The commit that the server names: the branch in the container is the agent's, and could be moved.
agent_git -c fetch.fsckObjects=true fetch --quiet --no-tags "$remote" codex/work
git --no-pager diff --stat HEAD "$commit"
git push --quiet origin "$commit:refs/heads/$branch"
jq -r '.fixes[] | "\(.problem): \(.solution)"' "$scratch/result"
echo "Pushed $branch for somebody to look at."
