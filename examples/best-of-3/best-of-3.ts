/**
 * Has three copies of an agent do the same task, and shows how they did:
 *
 *     node best-of-3.ts AGENT 'what is to be done' 'npm test'
 *
 * With --take the agent takes the best over, files and conversation, and the copies are removed.
 * CODEX_MCP_URL is where the server is, CODEX_MCP_TOKEN the token, if it wants one. Needs Node 24.
 */
import { parseArgs } from 'node:util';

type Candidate = {
  rank: number;
  agent_id: string;
  model?: string;
  changed_lines?: number;
  check?: { passed: boolean; rounds: unknown[] };
  error?: { message: string };
};
type Turn = {
  turn_id: string;
  state: string;
  result: { candidates: Candidate[] } | null;
  error: { code: string; message: string } | null;
};
type Promotion = { commits: { id: string; branch?: string }[] };

const { CODEX_MCP_URL: server = 'http://localhost:8210', CODEX_MCP_TOKEN: token } = process.env;
const { values, positionals } = parseArgs({
  options: { take: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [agent, task, check] = positionals;
if (!agent || !task || !check) {
  fail('Usage: node best-of-3.ts [--take] AGENT TASK CHECK_COMMAND');
}

const work = { agent_id: agent, task, check_command: check, candidates: 3, wait: false };
const { turn_id } = await call<Turn>('implement', work);
const turn = await ended(turn_id);
if (!turn.result) fail(`${turn.error?.code}: ${turn.error?.message}`);

const { candidates } = turn.result;
showRow('rank', 'model', 'check', 'lines', 'agent');
for (const { rank, model = 'default', check, changed_lines = '-', agent_id, error } of candidates) {
  const passed = check?.passed ? `passed, round ${check.rounds.length}` : 'failed';
  showRow(rank, model, error ? 'no result' : passed, changed_lines, agent_id);
  if (error) console.log(`      ${error.message}`);
}

const [best] = candidates;
if (!best?.check?.passed) {
  fail(`None passes the check. To have one go on, call it by its agent; to remove all of them:
  curl ${server}/tools/promote_candidate -d '{"turn_id": "${turn_id}", "none": true}'`);
}
if (values.take) {
  const { commits } = await call<Promotion>('promote_candidate', { turn_id });
  console.log(`\n${agent} goes on from the best, with its conversation. Taken over:`);
  for (const { id, branch } of commits) console.log(`  ${id} on ${branch}`);
} else {
  console.log(`
Look at the best:  git fetch ${server}/agents/${best.agent_id}/workspace.git codex/work
Ask it for more:   curl ${server}/tools/implement -d '{"agent_id": "${best.agent_id}", "task": "…"}'
Take it over:      curl ${server}/tools/promote_candidate -d '{"turn_id": "${turn_id}"}'`);
}

/** In pieces, as many clients and proxies give a request up after some minutes. */
async function ended(turnId: string): Promise<Turn> {
  for (;;) {
    const turn = await call<Turn>('wait_turn', { turn_id: turnId, timeout_seconds: 60 });
    if (turn.result || turn.error) return turn;
  }
}

async function call<Result>(tool: string, args: Record<string, unknown>): Promise<Result> {
  const response = await fetch(`${server}/tools/${tool}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(args),
  }).catch(() => fail(`No server answers at ${server}.`));
  const body = (await response.json()) as Result & { error?: Turn['error'] };
  if (!response.ok) fail(`${body.error?.code}: ${body.error?.message}`);
  return body;
}

function showRow(...cells: [unknown, unknown, unknown, unknown, unknown]): void {
  const [rank, model, check, lines, agent] = cells.map(String);
  console.log(
    `${rank?.padEnd(6)}${model?.padEnd(16)}${check?.padEnd(18)}${lines?.padEnd(7)}${agent}`,
  );
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
