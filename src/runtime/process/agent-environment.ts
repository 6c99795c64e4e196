import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentDirectory, ContainerRecord } from './agent-directory.ts';
import { hasCode } from './system-error.ts';

/** Next to src/ and to dist/. */
export const AGENT_IMAGE = fileURLToPath(new URL('../../../agent-image', import.meta.url));

const PROGRAMS = [
  path.dirname(process.execPath),
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/opt/homebrew/bin',
];
/** Equal to git's configuration in the image, for equal commits. */
const GIT_CONFIG = `[user]
\tname = Codex agent
\temail = agent@localhost
[init]
\tdefaultBranch = main
`;
const IMAGE_GATEWAY = /127\.0\.0\.1:8211\b/g;

/** The complete environment of a process, without that of the server, which contains secrets. */
export function agentEnvironment(
  directory: AgentDirectory,
  record: ContainerRecord,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const gateway = `http://127.0.0.1:${record.gatewayPort}`;
  const withoutProxy = '127.0.0.1,localhost';
  const [marker, value] = directory.marker;
  return {
    PATH: PROGRAMS.join(':'),
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    ...record.env,
    HOME: directory.home,
    CODEX_HOME: directory.codexHome,
    CODEX_CA_CERTIFICATE: path.join(AGENT_IMAGE, 'no-authority.pem'),
    TMPDIR: directory.temporary,
    CODEX_GATEWAY_PORT: String(record.gatewayPort),
    HTTP_PROXY: gateway,
    HTTPS_PROXY: gateway,
    NO_PROXY: withoutProxy,
    http_proxy: gateway,
    https_proxy: gateway,
    no_proxy: withoutProxy,
    NODE_USE_ENV_PROXY: '1',
    ...extra,
    [marker]: value,
  };
}

/** Writes Codex's configuration from the image with the port of the agent, and a default .gitconfig. */
export async function writeHomeConfig(directory: AgentDirectory, port: number): Promise<void> {
  const inImage = await fs.readFile(path.join(AGENT_IMAGE, 'config.toml'), 'utf8');
  const config = path.join(directory.codexHome, 'config.toml');
  // Removed first, since it could be a link to any file of the server's user.
  await fs.rm(config, { recursive: true, force: true });
  await fs.writeFile(config, inImage.replaceAll(IMAGE_GATEWAY, `127.0.0.1:${port}`), {
    mode: 0o600,
    flag: 'wx',
  });
  const gitConfig = path.join(directory.home, '.gitconfig');
  await fs.writeFile(gitConfig, GIT_CONFIG, { flag: 'wx' }).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
}
