import type { Config } from '../../config/config.ts';
import { isInUse, lockHolder } from '../../store/sqlite/database-lock.ts';
import { healthReport } from '../../tools/health-tool.ts';
import { VERSION } from '../../version.ts';
import { addressOf, probeServer } from '../server-probe.ts';
import { type Check, ok, problem, warning } from './check.ts';

const TOPIC = 'Server';
const HEALTH_LIMIT_MS = 10_000;

const health = healthReport.pick({ ready: true, status: true, problems: true, version: true });

export type ServerState = {
  /** Whether a process has DATA_DIR locked, even if it does not answer. */
  runs: boolean;
  checks: Check[];
};

/** Whether a server uses DATA_DIR, and whether the port is free. */
export async function checkServer(
  config: Pick<Config, 'DATA_DIR' | 'MCP_HOST' | 'MCP_PORT'>,
): Promise<ServerState> {
  const url = addressOf(config);
  const [runs, { state, reason }] = [isInUse(config.DATA_DIR), await probeServer(url)];
  if (runs && url && state === 'running') return { runs, checks: await askHealth(url) };
  if (runs) return { runs, checks: [silent(config, url, reason)] };
  if (state === 'nothing') return { runs, checks: [free(url)] };
  const what =
    state === 'running' ? 'a server with another DATA_DIR' : `something else (${reason})`;
  const message = `No server uses this DATA_DIR, and ${url} is taken by ${what}.`;
  return { runs, checks: [problem(TOPIC, message, 'Stop it, or set another MCP_PORT.')] };
}

function free(url: string | undefined): Check {
  return ok(
    TOPIC,
    `none runs; ${url ? `${url} is free` : 'MCP_PORT is 0, which takes a free port'}`,
  );
}

function silent(
  { DATA_DIR }: Pick<Config, 'DATA_DIR'>,
  url: string | undefined,
  reason: string,
): Check {
  const pid = lockHolder(DATA_DIR);
  const who = pid === undefined ? 'A process' : `Process ${pid}`;
  if (url === undefined)
    return ok(TOPIC, `${who} owns ${DATA_DIR}; with MCP_PORT=0 its address is unknown`);
  return problem(
    TOPIC,
    `${who} owns ${DATA_DIR}, but no server answers at ${url}: ${reason}.`,
    'If it listens elsewhere, check its --port or MCP_PORT. If it hangs, kill it: agents and turns continue, and the next start resumes them.',
  );
}

async function askHealth(url: string): Promise<Check[]> {
  try {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(HEALTH_LIMIT_MS) });
    const { ready, status, problems, version } = health.parse(await answer.json());
    return [
      ok(TOPIC, `answers at ${url}, version ${version}, ${status}`),
      ...problems.map((line) =>
        ready ? warning(TOPIC, line) : problem(TOPIC, line, 'See its log.'),
      ),
      ...(version === VERSION ? [] : [anotherVersion(version)]),
    ];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `${url}/health can't be read: ${reason}.`;
    return [problem(TOPIC, message, 'See its log, or restart it.')];
  }
}

function anotherVersion(version: string): Check {
  const message = `The server has version ${version}, and this program ${VERSION}.`;
  return warning(TOPIC, message, 'Restart the server to upgrade it.');
}
