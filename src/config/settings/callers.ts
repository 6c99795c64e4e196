import { z } from 'zod';
import { ROLES } from '../../identity/principal.ts';
import { DAY_SECONDS, httpUrl, setting, wholeNumber } from '../setting.ts';

export const APPROVAL_MODES = ['suggest', 'auto', 'manual'] as const;
export type ApprovalMode = (typeof APPROVAL_MODES)[number];

export const callersSettings = {
  JWT_SECRET: setting(z.string().min(32).optional(), {
    group: 'Callers',
    description:
      'Callers may show a JWT signed with it (HS256), with the claims `sub`, `role` and, if wanted, `tenant`, `agents` and `exp`.',
    allowed: 'at least 32 characters; `openssl rand -hex 32` makes some',
    secret: true,
  }),
  OIDC_ISSUER: setting(httpUrl().optional(), {
    group: 'Callers',
    description:
      'Authorization server whose access tokens callers may show; MCP clients that know OAuth are told of it. Needs `OIDC_AUDIENCE`.',
    allowed: 'an http or https URL',
  }),
  OIDC_AUDIENCE: setting(z.string().min(1).optional(), {
    group: 'Callers',
    description: 'What its tokens must name as their audience: this server, and no other.',
    allowed: 'a non-empty string',
  }),
  OIDC_JWKS_URL: setting(httpUrl().optional(), {
    group: 'Callers',
    description: 'Where its keys are, if it does not say so itself.',
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
    description: 'Role of a token that names none.',
    allowed: 'viewer, developer, approver or admin',
  }),
  CODEX_MCP_TOKEN: setting(z.string().min(1).optional(), {
    group: 'Callers',
    description:
      'The token that `codex-hangar stdio` shows to the server. The server itself does not read it.',
    allowed: 'a token that the server knows',
    secret: true,
  }),
  MAX_FAILED_LOGINS: setting(wholeNumber(1, 10_000).default(20), {
    group: 'Callers',
    description:
      'Wrong tokens from one address in a minute; further ones are answered 429. Right ones are always let in.',
    allowed: 'a whole number from 1 to 10000',
  }),
  CODEX_APPROVAL_MODE: setting(z.enum(APPROVAL_MODES).default('suggest'), {
    group: 'Callers',
    description:
      'What waits until somebody approves it: see docs/approvals.md. `suggest`: full access, and calls of pipelines. `auto`: only what is critical. `manual`: all that may write.',
    allowed: 'suggest, auto or manual',
  }),
  APPROVAL_TIMEOUT: setting(wholeNumber(1, DAY_SECONDS).default(300), {
    group: 'Callers',
    description: 'Seconds until what nobody has approved is declined.',
    allowed: 'a whole number from 1 to 86400',
  }),
};
