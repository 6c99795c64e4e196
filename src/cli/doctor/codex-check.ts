import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Config } from '../../config/config.ts';
import { codexVersion, findCodex, sandboxProblem } from '../../runtime/process/codex-binary.ts';
import { CODEX_VERSION } from '../../version.ts';
import { type Check, failure, ok, problem, warning } from './check.ts';

const TOPIC = 'Codex';

/** Whether the process runtime has a Codex with a working sandbox. */
export async function checkCodexHere({ CODEX_BIN }: Pick<Config, 'CODEX_BIN'>): Promise<Check[]> {
  try {
    const codex = findCodex(CODEX_BIN);
    const version = await codexVersion(codex);
    return [versionCheck(codex, version), await checkSandbox(codex)];
  } catch (error) {
    return [failure(TOPIC, error)];
  }
}

function versionCheck(codex: string, version: string): Check {
  const message = `${version} at ${codex}`;
  if (version.split(' ').at(-1) === CODEX_VERSION) return ok(TOPIC, message);
  return warning(TOPIC, message, `This server is made for ${CODEX_VERSION}: install that.`);
}

async function checkSandbox(codex: string): Promise<Check> {
  const home = await fs.mkdtemp(path.join(os.tmpdir(), 'codex-mcp-doctor-'));
  try {
    const reason = await sandboxProblem(codex, home);
    if (reason === undefined) return ok('Sandbox', "Codex's own sandbox works");
    const message = `Codex's own sandbox does not work here, so commands of agents fail: ${reason}`;
    return problem('Sandbox', message, 'Run agents in containers, or fix what the message says.');
  } finally {
    await fs.rm(home, { recursive: true, force: true });
  }
}
