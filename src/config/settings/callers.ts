import { z } from 'zod';
import { ROLES } from '../../identity/principal.ts';
import { DAY_SECONDS, httpUrl, setting, wholeNumber } from '../setting.ts';

export const APPROVAL_MODES = ['suggest', 'auto', 'manual'] as const;
export type ApprovalMode = (typeof APPROVAL_MODES)[number];

export const callersSettings = {
  JWT_SECRET: setting(z.string().min(32).optional(), {
    group: 'Callers',
    description:
      'Secret that signs JWTs of callers (HS256). Claims: `sub`, `role` and, optionally, `tenant`, `agents` and `exp`.',
    allowed: 'at least 32 characters, such as those of `openssl rand -hex 32`',
    secret: true,
  }),
  OIDC_ISSUER: setting(httpUrl().optional(), {
    group: 'Callers',
    description:
      'Authorization server whose access tokens the server accepts. MCP clients with OAuth discover it. Requires `OIDC_AUDIENCE`.',
    allowed: 'an http or https URL',
  }),
  OIDC_AUDIENCE: setting(z.string().min(1).optional(), {
    group: 'Callers',
    description:
      'Audience that tokens of `OIDC_ISSUER` must name. It must be the audience of this server alone.',
    allowed: 'a non-empty string',
  }),
  OIDC_JWKS_URL: setting(httpUrl().optional(), {
    group: 'Callers',
    description: 'URL of the keys of `OIDC_ISSUER`, if the issuer does not publish it.',
    allowed: 'an http or https URL',
    shownDefault: 'as the issuer publishes it',
  }),
  OIDC_ROLES_CLAIM: setting(z.string().min(1).max(100).default('roles'), {
    group: 'Callers',
    description: 'The claim that names roles: viewer, developer (or code), approver, admin.',
    allowed: 'the name of a claim',
  }),
  OIDC_DEFAULT_ROLE: setting(z.enum(ROLES).default('viewer'), {
    group: 'Callers',
    description: 'Role of a token without a role.',
    allowed: 'viewer, developer, approver or admin',
  }),
  CODEX_MCP_TOKEN: setting(z.string().min(1).optional(), {
    group: 'Callers',
    description:
      'Token that `codex-hangar stdio` sends to the server. The server itself does not read it.',
    allowed: 'a token that the server knows',
    secret: true,
  }),
  MAX_FAILED_LOGINS: setting(wholeNumber(1, 10_000).default(20), {
    group: 'Callers',
    description:
      'Invalid tokens that one address may send in a minute; further ones are answered 429. Valid tokens are always accepted.',
    allowed: 'a whole number from 1 to 10000',
  }),
  CODEX_APPROVAL_MODE: setting(z.enum(APPROVAL_MODES).default('suggest'), {
    group: 'Callers',
    description:
      'Which calls wait for an approver: see docs/approvals.md. `suggest`: full access, and calls of pipelines. `auto`: critical calls only. `manual`: every call that may write.',
    allowed: 'suggest, auto or manual',
  }),
  APPROVAL_TIMEOUT: setting(wholeNumber(1, DAY_SECONDS).default(300), {
    group: 'Callers',
    description:
      'Seconds that an approval waits for a decision; then it expires, which declines the request.',
    allowed: 'a whole number from 1 to 86400',
  }),
};
