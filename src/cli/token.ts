import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ApiTokens, holds } from '../callers/authentication/api-tokens.ts';
import { principalIdSchema } from '../callers/authentication/jwt-claims.ts';
import type { TokenRecord } from '../callers/authentication/token-store.ts';
import { ownNameSchema } from '../identity/agent-id.ts';
import { LOCAL, ROLES } from '../identity/principal.ts';
import { loadConfig } from '../server/load-config.ts';
import { SqliteTokenStore } from '../store/sqlite/sqlite-token-store.ts';
import { UsageError } from './failure.ts';

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, y: 365 * 86_400 };

/** Creates, lists and revokes tokens. A running server applies changes at once. */
export async function token(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      role: { type: 'string', multiple: true },
      tenant: { type: 'string' },
      agents: { type: 'string' },
      expires: { type: 'string' },
      json: { type: 'boolean', default: false },
      'env-file': { type: 'string', default: '.env' },
    },
  });
  const [act, name, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`Unexpected argument "${rest[0]}".`);
  const { DATA_DIR } = loadConfig(process.env, values['env-file']);
  const store = SqliteTokenStore.open(DATA_DIR);
  try {
    if (act === 'create' && name !== undefined) create(store, newToken(name, values), values.json);
    else if (act === 'list' && name === undefined) list(store.list(), values.json);
    else if (act === 'revoke' && name !== undefined) revoke(store, name);
    else throw new UsageError('Use token create NAME, token list, or token revoke ID.');
  } finally {
    store.close();
  }
}

type Given = {
  role?: string[] | undefined;
  tenant?: string | undefined;
  agents?: string | undefined;
  expires?: string | undefined;
};
type NewToken = Parameters<ApiTokens['create']>[0];

function newToken(name: string, given: Given): NewToken {
  const roles = valid('--role', z.array(z.enum(ROLES)), given.role ?? ['developer']);
  const agents = given.agents && valid('--agents', z.array(ownNameSchema), given.agents.split(','));
  if (agents && roles.includes('admin')) {
    throw new UsageError('--agents has no effect with --role admin, which sees every agent.');
  }
  return {
    principal: valid('The name', principalIdSchema, name),
    tenant: valid('--tenant', principalIdSchema, given.tenant ?? LOCAL.tenant),
    roles,
    ...(agents && { agents }),
    ...(given.expires !== undefined && { expiresAt: expiryOf(given.expires) }),
  };
}

function create(store: SqliteTokenStore, options: NewToken, json: boolean): void {
  const tokens = new ApiTokens(store);
  const isFirst = !tokens.exist;
  const { token: secret, record } = tokens.create(options);
  if (json) {
    console.log(JSON.stringify({ token: secret, ...shown(record) }));
    return;
  }
  console.log(secret);
  console.error(`For ${record.principal} (${record.roles.join(', ')}). It is not shown again.`);
  if (isFirst) console.error('From now on every caller needs a token, on this machine too.');
}

function list(records: readonly TokenRecord[], json: boolean): void {
  if (json) {
    console.log(JSON.stringify(records.map(shown), undefined, 2));
    return;
  }
  for (const record of records) {
    const { id, principal, tenant, roles, state, last_used_at, agents } = shown(record);
    const of = tenant === LOCAL.tenant ? principal : `${principal} of ${tenant}`;
    const used = last_used_at === null ? 'never used' : `used ${last_used_at.slice(0, 16)}`;
    const only = agents ? `, only ${agents.join(', ')}` : '';
    console.log(`${id}  ${of}: ${roles.join(', ')}${only}; ${state}, ${used}`);
  }
  if (records.length === 0) console.log('There are no tokens: codex-hangar token create NAME');
}

function revoke(store: SqliteTokenStore, tokenId: string): void {
  if (store.revoke(tokenId, new Date())) {
    console.log(`Revoked ${tokenId}.`);
    return;
  }
  const was = store.get(tokenId);
  throw new UsageError(
    was ? `${tokenId} was revoked already.` : `There is no token ${tokenId}; see token list.`,
  );
}

function shown(record: TokenRecord) {
  const { tokenId, principal, tenant, roles, agents, createdAt, expiresAt, lastUsedAt } = record;
  const expiry = expiresAt ? `holds until ${expiresAt.toISOString().slice(0, 16)}` : 'holds';
  const ended = record.revokedAt ? 'revoked' : 'expired';
  return {
    id: tokenId,
    principal,
    tenant,
    roles,
    agents: agents ?? null,
    state: holds(record, new Date()) ? expiry : ended,
    created_at: createdAt.toISOString(),
    expires_at: expiresAt?.toISOString() ?? null,
    last_used_at: lastUsedAt?.toISOString() ?? null,
  };
}

function valid<T>(what: string, schema: z.ZodType<T>, given: unknown): T {
  const { data, error } = schema.safeParse(given);
  if (error) throw new UsageError(`${what} ${error.issues[0]?.message}.`);
  return data as T;
}

/** Parses a duration, such as 30d, or a date. */
function expiryOf(given: string): Date {
  const [, count, unit = ''] = /^(\d{1,6})([mhdy])$/.exec(given) ?? [];
  const seconds = Number(count) * (UNITS[unit] ?? Number.NaN);
  const at = Number.isNaN(seconds) ? Date.parse(given) : Date.now() + seconds * 1000;
  if (at > Date.now()) return new Date(at);
  throw new UsageError(`--expires is "${given}". Allowed: 30m, 12h, 30d, 1y, or a future date.`);
}
