import { createHash, randomBytes } from 'node:crypto';

/** What the gateway knows a container by: the variable that agent-image/config.toml names. */
const TOKEN_VARIABLE = 'CODEX_GATEWAY_TOKEN';

/** A new token: its hash for the server, and the environment that gives it to a container. */
export function newGatewayToken(): { tokenSha256: string; env: Record<string, string> } {
  const token = randomBytes(32).toString('base64url');
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  return { tokenSha256, env: { [TOKEN_VARIABLE]: token } };
}
