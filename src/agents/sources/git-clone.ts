import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { runScript, type ScriptResult } from '../../workspaces/container-script.ts';
import type { ArchiveBounds } from '../../workspaces/transfers/archive-rules.ts';
import { CLEAR, stagingEnvironment } from '../../workspaces/transfers/staging.ts';
import type { GitSource } from './source.ts';
import type { Submodule } from './submodules.ts';

const KIBIBYTE = 1024;
/** The staging directory and its tree, which `find` counts. */
const STAGING_ENTRIES = 2;
const TOO_LARGE = 'codex-mcp: this clone is too large';
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: 'false',
  LC_ALL: 'C.UTF-8',
};

/**
 * Ignores the agent's git configuration. Ends with its standard input, and above the limits: a small pack
 * may expand to any number of files.
 */
const BEGIN = `exec 3<&0 4>&2
(while read -r _ <&3; do :; done; kill -9 0) >/dev/null 2>&1 4>&- &
watch=$!
is_large() {
  size=$(du -sk -- "$STAGING" | cut -f 1)
  [ "\${size:-0}" -gt "$MOST_KIBIBYTES" ] || [ "$(find "$STAGING" | head -n "$TOO_MANY" | wc -l)" -ge "$TOO_MANY" ]
}
(while sleep 1 4>&-; do if is_large; then echo '${TOO_LARGE}' >&4; kill -9 0; fi; done) >/dev/null 2>&1 3<&- &
measure=$!
from=http://127.0.0.1:\${CODEX_GATEWAY_PORT:-8211}$GATEWAY_PATH
tree=$STAGING/tree
run() {
  git -c protocol.allow=never -c protocol.http.allow=always -c http.followRedirects=false \\
    -c http.proxy= -c core.hooksPath=/dev/null -c init.templateDir= -c advice.detachedHead=false \\
    "$@" </dev/null 3<&-
}`;
const END = `status=$?
kill -9 "$watch" "$measure"
if is_large 2>/dev/null; then
  echo '${TOO_LARGE}' >&2
  exit 1
fi
exit "$status"`;
/** Clones into the staging directory, and removes the traces of the gateway's URL. */
const CLONE = `${CLEAR}
${BEGIN}
fetch() {
  if [ -n "$COMMIT" ]; then
    run init -q --template= "$tree" && run -C "$tree" fetch -q --no-recurse-submodules "$@" "$from" "$COMMIT" \\
      && run -C "$tree" checkout -q --detach FETCH_HEAD && run -C "$tree" remote add origin "$URL"
  else
    [ -z "$REF" ] || set -- "$@" --branch "$REF"
    run clone -q --template= --no-recurse-submodules "$@" -- "$from" "$tree" \\
      && run -C "$tree" remote set-url origin "$URL"
  fi
}
if [ -n "$DEPTH" ]; then set -- --depth "$DEPTH"; fi
mkdir "$STAGING" && fetch "$@" && rm -rf "$tree/.git/logs" "$tree/.git/FETCH_HEAD"
${END}`;
/** git refuses names and paths outside of the clone, and updates that run a command. */
const SUBMODULE = `${BEGIN}
fetch() {
  run config "submodule.$NAME.url" "$from" \\
    && run submodule --quiet update --init --checkout "$@" -- "$SUBMODULE_PATH" \\
    && run config "submodule.$NAME.url" "$URL" && run -C "$SUBMODULE_PATH" remote set-url origin "$URL" \\
    && places=$(run -C "$SUBMODULE_PATH" rev-parse --absolute-git-dir) && rm -rf "$places/logs" "$places/FETCH_HEAD"
}
if [ -n "$DEPTH" ]; then set -- --depth "$DEPTH"; fi
cd "$tree/$WITHIN" && fetch "$@"
${END}`;
/** Lists the submodules of a clone, its .gitmodules, and its files in Git LFS. */
const LOOK = `cd "$STAGING/tree/$WITHIN" || exit 1
git ls-files -s | sed -n 's/^160000 [0-9a-f]* 0	/submodule	/p' | head -n 1000
git ls-files -- ':(attr:filter=lfs)' | sed 's/^/lfs	/' | head -n 1000
[ ! -f .gitmodules ] || [ -L .gitmodules ] \\
  || git config -z -f .gitmodules --get-regexp '^submodule[.].*[.](path|url)$' | head -c 100000 | base64 -w 0 | sed 's/^/modules	/'`;

type Environment = Record<string, string>;
export type CloneResult = ScriptResult & { isTooLarge: boolean };

type Clone = {
  source: GitSource;
  /** Path of the repository on the gateway. */
  gatewayPath: string;
  /** Limits of all files, history included. */
  bounds: ArchiveBounds;
  signal?: AbortSignal | undefined;
};

/** Clones a repository into the staging directory of an agent. */
export async function cloneInto(
  runtime: ContainerRuntime,
  agentId: AgentId,
  clone: Clone,
): Promise<CloneResult> {
  const { url, ref = '', depth } = clone.source;
  const isCommit = COMMIT.test(ref);
  const env = {
    URL: url,
    REF: isCommit ? '' : ref,
    COMMIT: isCommit ? ref : '',
    DEPTH: depth === undefined ? '' : String(depth),
  };
  return runBounded(runtime, agentId, CLONE, { env, clone });
}

/** Fetches a submodule of the clone in the staging directory. */
export function fetchSubmodule(
  runtime: ContainerRuntime,
  agentId: AgentId,
  { submodule, ...clone }: Clone & { submodule: Submodule },
): Promise<CloneResult> {
  const env = {
    URL: clone.source.url,
    DEPTH: clone.source.depth === undefined ? '' : String(clone.source.depth),
    WITHIN: submodule.within,
    NAME: submodule.name,
    SUBMODULE_PATH: submodule.path,
  };
  return runBounded(runtime, agentId, SUBMODULE, { env, clone });
}

async function runBounded(
  runtime: ContainerRuntime,
  agentId: AgentId,
  script: string,
  { env: more, clone: { gatewayPath, bounds, signal } }: { env: Environment; clone: Clone },
): Promise<CloneResult> {
  const env = {
    ...stagingEnvironment(runtime, agentId),
    ...ENVIRONMENT,
    ...more,
    GATEWAY_PATH: gatewayPath,
    MOST_KIBIBYTES: String(Math.ceil(bounds.bytes / KIBIBYTE)),
    TOO_MANY: String(bounds.entries + STAGING_ENTRIES + 1),
  };
  const ended = await runScript(runtime, agentId, ['sh', '-c', script], { env }, signal);
  return { ...ended, isTooLarge: ended.stderr.split('\n').includes(TOO_LARGE) };
}

/** The output for {@link readMissingContent}. */
export async function lookAtClone(
  runtime: ContainerRuntime,
  agentId: AgentId,
  within: string,
): Promise<string> {
  const env = { ...stagingEnvironment(runtime, agentId), ...ENVIRONMENT, WITHIN: within };
  return (await runScript(runtime, agentId, ['sh', '-c', LOOK], { env })).stdout;
}
