import { createHash, randomBytes } from 'node:crypto';

/** The variable of agent-image/config.toml. */
const TOKEN_VARIABLE = 'CODEX_GATEWAY_TOKEN';

/** The hash of a new token for the store, and the environment with the token for the container. */
export function newGatewayToken(): { tokenSha256: string; env: Record<string, string> } {
  const token = randomBytes(32).toString('base64url');
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  return { tokenSha256, env: { [TOKEN_VARIABLE]: token } };
}
