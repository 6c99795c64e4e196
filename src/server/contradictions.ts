import fs from 'node:fs';
import path from 'node:path';
import { validate as isCronExpression } from 'node-cron';
import { McpServers } from '../agents/threads/mcp-servers.ts';
import { type Config, isLoopback } from '../config/config.ts';
import { settingMeta } from '../config/settings.ts';
import { parseEgressRule } from '../gateway/egress/egress-rule.ts';
import { parsePrivateRange } from '../gateway/egress/reachable-addresses.ts';

/** The files that the Docker client requires too. */
const CERTIFICATES = ['ca.pem', 'cert.pem', 'key.pem'];

/** Contradictions between valid settings, one sentence each. */
export function findContradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.CODEX_PROVIDER !== 'openai' && config.OPENAI_BASE_URL === undefined) {
    problems.push(
      `OPENAI_BASE_URL is not set, and CODEX_PROVIDER is "${config.CODEX_PROVIDER}". Allowed: the URL of that provider's Responses API.`,
    );
  }
  if (config.CODEX_PROVIDER !== 'openai' && config.CODEX_AUTH_METHOD === 'oauth') {
    problems.push(
      `CODEX_AUTH_METHOD is "oauth", and CODEX_PROVIDER is "${config.CODEX_PROVIDER}". Allowed: auto or api_key.`,
    );
  }
  const issuer = new URL(config.OAUTH_ISSUER);
  if (issuer.protocol !== 'https:' && !isLoopback(issuer.hostname)) {
    problems.push(
      `OAUTH_ISSUER is "${config.OAUTH_ISSUER}", which would receive tokens unencrypted. Allowed: an https URL, or an http URL of this machine.`,
    );
  }
  if (config.OIDC_ISSUER !== undefined && config.OIDC_AUDIENCE === undefined) {
    problems.push(
      'OIDC_AUDIENCE is not set, and OIDC_ISSUER is. Allowed: what tokens for this server name as their audience.',
    );
  }
  if (!isCronExpression(config.REAPER_SCHEDULE)) {
    problems.push(`REAPER_SCHEDULE is "${config.REAPER_SCHEDULE}". Allowed: a cron expression.`);
  }
  if (config.EXTRA_CA_CERTS !== undefined && !isReadableFile(config.EXTRA_CA_CERTS)) {
    problems.push(`EXTRA_CA_CERTS is "${config.EXTRA_CA_CERTS}". Allowed: a readable file.`);
  }
  return [
    ...problems,
    ...certificateProblems(config),
    ...skillsProblems(config),
    ...rootsProblems(config),
    ...problemsOf('AGENT_MCP_SERVERS_FILE', [config.AGENT_MCP_SERVERS_FILE], McpServers.read),
    ...problemsOf('EGRESS_ALLOW', config.EGRESS_ALLOW, parseEgressRule),
    ...problemsOf('EGRESS_ALLOW_PRIVATE', config.EGRESS_ALLOW_PRIVATE, parsePrivateRange),
  ];
}

function certificateProblems({ DOCKER_CERT_PATH: directory }: Config): string[] {
  if (directory === undefined) return [];
  if (CERTIFICATES.every((name) => isReadableFile(path.join(directory, name)))) return [];
  const { allowed } = settingMeta('DOCKER_CERT_PATH');
  return [`DOCKER_CERT_PATH is "${directory}". Allowed: ${allowed}.`];
}

/** A remote engine has its own directories, which cannot be checked here. */
function skillsProblems({ SKILLS_DIR: skills, DOCKER_HOST: engine }: Config): string[] {
  if (skills === undefined || (engine !== undefined && !engine.startsWith('unix:'))) return [];
  if (isReadableDirectory(skills)) return [];
  return [`SKILLS_DIR is "${skills}". Allowed: ${settingMeta('SKILLS_DIR').allowed}.`];
}

/** A remote engine would mount directories of another machine. */
function rootsProblems({ WORKSPACE_ROOTS: roots, DOCKER_HOST: engine, AGENT_RUNTIME }: Config) {
  const { allowed } = settingMeta('WORKSPACE_ROOTS');
  const isElsewhere = engine !== undefined && !engine.startsWith('unix:');
  if (roots.length > 0 && isElsewhere && AGENT_RUNTIME !== 'process') {
    return [`WORKSPACE_ROOTS is set, and DOCKER_HOST is "${engine}". Allowed: ${allowed}.`];
  }
  return roots
    .filter((root) => !isReadableDirectory(root))
    .map((root) => `WORKSPACE_ROOTS has "${root}". Allowed: ${allowed}.`);
}

/** Messages of the parts that `read` throws for. */
function problemsOf<T>(name: string, parts: readonly T[], read: (part: T) => unknown) {
  return parts.flatMap((part) => {
    try {
      read(part);
      return [];
    } catch (error) {
      return [`${name}: ${error instanceof Error ? error.message : String(error)}`];
    }
  });
}

function isReadableFile(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.R_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function isReadableDirectory(directory: string): boolean {
  try {
    fs.readdirSync(directory);
    return true;
  } catch {
    return false;
  }
}
