import { z } from 'zod';
import type { Authorization } from '../model-upstream.ts';
import type { Tokens } from './auth-file.ts';

/** Longest time before its expiry that a token is renewed; a short-lived token is renewed in its last tenth. */
const RENEWAL_AHEAD_MS = 5 * 60_000;
const RENEWAL_SHARE = 0.1;

const seconds = z.number().optional().catch(undefined);
const text = z.string().optional().catch(undefined);
const claimsSchema = z.object({
  exp: seconds,
  iat: seconds,
  email: text,
  'https://api.openai.com/auth': z
    .object({
      chatgpt_account_id: text,
      chatgpt_plan_type: text,
      chatgpt_account_is_fedramp: z.boolean().optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

/** A ChatGPT login: tokens and their claims. */
export type Login = {
  accessToken: string;
  /** Can be used once. Absent: the login cannot be renewed. */
  refreshToken?: string | undefined;
  idToken?: string | undefined;
  accountId?: string | undefined;
  email?: string | undefined;
  /** Such as `plus`. */
  plan?: string | undefined;
  fedRamp: boolean;
  /** Milliseconds since 1970, as `renewAt`; absent if the access token does not say. */
  expiresAt?: number | undefined;
  renewAt?: number | undefined;
};

/** Reads the claims of tokens without checking signatures: the server only forwards the tokens. */
export function toLogin(tokens: Tokens): Login {
  const access = claimsOf(tokens.access_token);
  const id = claimsOf(tokens.id_token ?? '');
  const auth = {
    ...id['https://api.openai.com/auth'],
    ...access['https://api.openai.com/auth'],
  };
  const expiresAt = access.exp === undefined ? undefined : access.exp * 1000;
  const life = (access.exp ?? 0) - (access.iat ?? 0);
  const ahead = Math.min(RENEWAL_AHEAD_MS, life * 1000 * RENEWAL_SHARE);
  return {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? undefined,
    idToken: tokens.id_token ?? undefined,
    accountId: tokens.account_id ?? auth.chatgpt_account_id,
    email: id.email,
    plan: auth.chatgpt_plan_type,
    fedRamp: auth.chatgpt_account_is_fedramp === true,
    expiresAt,
    renewAt: expiresAt === undefined ? undefined : expiresAt - ahead,
  };
}

/** The headers that Codex sends with a ChatGPT login. */
export function authorizationOf(login: Login, baseUrl: string): Authorization {
  const { accessToken, accountId, refreshToken, idToken, fedRamp } = login;
  return {
    baseUrl,
    billed: false,
    headers: {
      authorization: `Bearer ${accessToken}`,
      ...(accountId !== undefined && { 'chatgpt-account-id': accountId }),
      ...(fedRamp && { 'x-openai-fedramp': 'true' }),
    },
    secrets: [refreshToken, idToken].filter((secret) => secret !== undefined),
  };
}

function claimsOf(token: string): z.output<typeof claimsSchema> {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    return claimsSchema.parse(JSON.parse(payload));
  } catch {
    return {};
  }
}
