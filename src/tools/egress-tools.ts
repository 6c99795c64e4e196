import { z } from 'zod';
import type { Access } from '../callers/access.ts';
import type { Egress, ListedConnection } from '../gateway/egress/egress.ts';
import type { EgressRuleRecord } from '../gateway/egress/egress-record.ts';
import { bracketed } from '../gateway/egress/host-name.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { LOOKING, SAFE } from './annotations.ts';
import type { Tool } from './tool.ts';

type EgressServices = { access: Access; egress: Egress };

const CONNECTIONS_LISTED = 100;
const PORT_MAX = 65_535;

const rule = z.object({
  rule: z.string(),
  effect: z.enum(['allow', 'deny']),
  decided_by: z.string(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable().describe('When it no longer counts. Null: never.'),
});

const connection = z.object({
  started_at: z.iso.datetime(),
  duration_ms: z.number().int(),
  method: z.string().describe('CONNECT, or the method of a plain HTTP request.'),
  host: z.string(),
  port: z.number().int(),
  address: z.string().nullable().describe('Where it was connected to.'),
  bytes_up: z.number().int(),
  bytes_down: z.number().int(),
  verdict: z.enum(['allowed', 'denied', 'failed']),
  reason: z.string().nullable().describe('Why it was denied, failed or was cut.'),
  open: z.boolean(),
});

const listInput = z.strictObject({
  agent_id: agentNameSchema,
  limit: z.number().int().min(1).max(1000).default(CONNECTIONS_LISTED),
});
const listOutput = z.object({
  agent_id: z.string(),
  rules: z.array(rule).describe('What was decided for this agent.'),
  rules_for_all: z.array(z.string()).describe('What EGRESS_ALLOW allows to every agent.'),
  connections: z.array(connection).describe('Open ones first, then the last that ended.'),
});

/** Where an agent may go, and where it went. */
export function listEgressTool({
  access,
  egress,
}: EgressServices): Tool<typeof listInput, typeof listOutput> {
  return {
    name: 'list_egress',
    title: 'List network access',
    description:
      'Lists the last network connections that an agent made or was denied, and the rules that decide on them. Requests to the model are not among them.',
    annotations: LOOKING,
    input: listInput,
    output: listOutput,
    async run({ agent_id, limit }, { principal }) {
      const own = access.agents(principal);
      const { agentId } = own.getForApproval(agent_id);
      return {
        agent_id: own.nameOf(agentId),
        rules: egress.rules.list(agentId).map(describeRule),
        rules_for_all: egress.rules.forAll,
        connections: egress.connections(agentId, limit).map(describeConnection),
      };
    },
  };
}

const destination = {
  agent_id: agentNameSchema,
  host: z
    .string()
    .min(1)
    .max(300)
    .describe(
      'A host name, *.example.org for all below it, or a preset such as npm. With a method, as in `GET http://example.org`, only such requests of plain HTTP.',
    ),
  port: z.number().int().min(1).max(PORT_MAX).optional().describe('Default: 443 and 80.'),
};
const allowInput = z.strictObject({
  ...destination,
  duration: z
    .enum(['once', 'always'])
    .default('once')
    .describe('once: for ten minutes, however many connections a command needs.'),
});
const decided = rule.extend({ agent_id: z.string() });

/** Opens a way out to one agent. */
export function allowEgressTool({
  access,
  egress,
}: EgressServices): Tool<typeof allowInput, typeof decided> {
  return {
    name: 'allow_egress',
    title: 'Allow network access',
    description:
      'Lets an agent connect to a host, for ten minutes or for ever. What the agent knows can leave to that host.',
    annotations: { ...SAFE, destructiveHint: true, openWorldHint: true },
    input: allowInput,
    output: decided,
    async run({ agent_id, duration, ...where }, { principal }) {
      const own = access.agents(principal);
      const { agentId } = own.getToApprove(agent_id);
      const options = { for: duration, by: principal.id };
      const made = egress.rules.allow(agentId, ruleText(where), options);
      return { agent_id: own.nameOf(agentId), ...describeRule(made) };
    },
  };
}

const denyInput = z.strictObject({
  ...destination,
  forget: z
    .boolean()
    .default(false)
    .describe('Only forget what was decided for this host; EGRESS_ALLOW decides again.'),
});
const denyOutput = z.object({
  agent_id: z.string(),
  rules: z.array(rule).describe('What is decided for this agent now.'),
});

/** Closes a way out to one agent. */
export function denyEgressTool({
  access,
  egress,
}: EgressServices): Tool<typeof denyInput, typeof denyOutput> {
  return {
    name: 'deny_egress',
    title: 'Deny network access',
    description:
      'Forbids an agent a host that was allowed to it or to all agents, and cuts its connections there. Wins over every rule that allows.',
    annotations: { ...SAFE, destructiveHint: true },
    input: denyInput,
    output: denyOutput,
    async run({ agent_id, forget, ...where }, { principal }) {
      const own = access.agents(principal);
      const { agentId } = own.getToApprove(agent_id);
      if (forget) egress.rules.remove(agentId, ruleText(where));
      else egress.rules.deny(agentId, ruleText(where), { by: principal.id });
      const rules = egress.rules.list(agentId).map(describeRule);
      return { agent_id: own.nameOf(agentId), rules };
    },
  };
}

function ruleText({ host, port }: { host: string; port?: number | undefined }): string {
  if (port === undefined) return host;
  // An IPv6 address as it is usually given.
  const bare = host.includes('/') || host.startsWith('[') ? host : bracketed(host);
  return `${bare}:${port}`;
}

function describeRule({ rule, effect, decidedBy, createdAt, expiresAt }: EgressRuleRecord) {
  return {
    rule,
    effect,
    decided_by: decidedBy,
    created_at: createdAt.toISOString(),
    expires_at: expiresAt?.toISOString() ?? null,
  };
}

function describeConnection(one: ListedConnection) {
  return {
    started_at: one.startedAt.toISOString(),
    duration_ms: one.durationMs,
    method: one.method,
    host: one.host,
    port: one.port,
    address: one.address ?? null,
    bytes_up: one.bytesUp,
    bytes_down: one.bytesDown,
    verdict: one.verdict,
    reason: one.reason ?? null,
    open: one.open,
  };
}
