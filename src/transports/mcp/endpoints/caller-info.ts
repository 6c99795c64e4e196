import type { AuthInfo, ServerContext } from '@modelcontextprotocol/server';
import type { Principal } from '../../../identity/principal.ts';
import { NOBODY } from '../../http/authentication.ts';

/** The form in which the SDK passes a caller from a request to its server, without the token. */
export function authInfoOf(principal: Principal): AuthInfo {
  const { id: clientId, roles } = principal;
  return { token: '', clientId, scopes: [...roles], extra: { principal } };
}

/** Who sent the request that brought a message, whoever opened the session. */
export function principalOf({ http }: Pick<ServerContext, 'http'>): Principal {
  return (http?.authInfo?.extra?.principal as Principal | undefined) ?? NOBODY;
}
