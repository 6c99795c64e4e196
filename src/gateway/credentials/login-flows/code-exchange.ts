import * as oauth from 'oauth4webapi';
import type { Tokens } from '../auth-file.ts';
import { toLogin } from '../login.ts';
import { clientIdOf } from '../token-endpoint.ts';

export type AuthorityConfig = { OAUTH_ISSUER: string; OAUTH_CLIENT_ID: string };

const EXCHANGE_LIMIT_MS = 15_000;

/** The authorization server and our client, in the form of oauth4webapi. */
export function authorityOf(config: AuthorityConfig) {
  const issuer = config.OAUTH_ISSUER;
  const server: oauth.AuthorizationServer = {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
  };
  return { server, client: { client_id: clientIdOf(config) } };
}

/** Exchanges a validated code for tokens. */
export async function exchangeCode(
  config: AuthorityConfig,
  code: { parameters: URLSearchParams; redirectUri: string; verifier: string },
): Promise<Tokens> {
  const { server, client } = authorityOf(config);
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    oauth.None(),
    code.parameters,
    code.redirectUri,
    code.verifier,
    {
      // The settings allow http on loopback only.
      [oauth.allowInsecureRequests]: true,
      signal: AbortSignal.timeout(EXCHANGE_LIMIT_MS),
    },
  );
  const { access_token, refresh_token, id_token } = await oauth.processAuthorizationCodeResponse(
    server,
    client,
    response,
    { requireIdToken: true },
  );
  const tokens = { id_token, access_token, refresh_token };
  return { ...tokens, account_id: toLogin(tokens).accountId ?? null };
}
