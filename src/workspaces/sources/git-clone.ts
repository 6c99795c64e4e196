import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { runScript } from '../container-script.ts';
import type { ArchiveBounds } from '../transfers/archive-rules.ts';
import { CLEAR, stagingEnvironment } from '../transfers/staging.ts';
import type { GitSource } from './source.ts';

const KIBIBYTE = 1024;
/** The staging and the directory that the clone is built in. */
const BUILT_IN = 2;
const TOO_LARGE = 'codex-mcp: this clone is too large';
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Clones into the staging. What the agent has set for its git plays no part, and nothing of the way
 * that the repository came is left in it. Ends with its standard input, as does a clone that nobody
 * waits for any more; and when it takes too much, as a small pack can become any number of files.
 */
const CLONE = `${CLEAR}
exec 3<&0 4>&2
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
    -c http.proxy= -c core.hooksPath=/dev/null -c advice.detachedHead=false "$@" </dev/null 3<&-
}
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
status=$?
kill -9 "$watch" "$measure"
if is_large 2>/dev/null; then
  echo '${TOO_LARGE}' >&2
  exit 1
fi
exit "$status"`;

type Clone = {
  source: GitSource;
  /** Where the repository is on the gateway. */
  gatewayPath: string;
  /** Of all that is written, history included. */
  bounds: ArchiveBounds;
  signal?: AbortSignal | undefined;
};

/** Has git in the container of an agent clone a repository into the staging; answers how it ended. */
export async function cloneInto(
  runtime: ContainerRuntime,
  agentId: string,
  { source: { url, ref = '', depth }, gatewayPath, bounds, signal }: Clone,
): Promise<{ exitCode: number | undefined; complaint: string; isTooLarge: boolean }> {
  const isCommit = COMMIT.test(ref);
  const env = {
    ...stagingEnvironment(runtime, agentId),
    URL: url,
    REF: isCommit ? '' : ref,
    COMMIT: isCommit ? ref : '',
    DEPTH: depth === undefined ? '' : String(depth),
    GATEWAY_PATH: gatewayPath,
    MOST_KIBIBYTES: String(Math.ceil(bounds.bytes / KIBIBYTE)),
    TOO_MANY: String(bounds.entries + BUILT_IN + 1),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'false',
    LC_ALL: 'C.UTF-8',
  };
  const ended = await runScript(runtime, agentId, ['sh', '-c', CLONE], { env }, signal);
  return { ...ended, isTooLarge: ended.complaint.split('\n').includes(TOO_LARGE) };
}
