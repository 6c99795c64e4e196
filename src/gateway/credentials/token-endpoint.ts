import { z } from 'zod';
import { AppError } from '../../errors.ts';

const ANSWER_LIMIT_MS = 15_000;
/** The registered client of the Codex CLI; a refresh token is valid for its client only. */
const CODEX_CLI_ID = 'app_EMoamEEZ73f0CkXaXp7hrann';

const REFUSALS = new Set([
  'invalid_grant',
  'app_session_terminated',
  'refresh_token_expired',
  'refresh_token_invalidated',
  'refresh_token_reused',
]);

const text = z.string().nullish().catch(undefined);
const renewedSchema = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).nullish(),
  id_token: z.string().min(1).nullish(),
});
const errorSchema = z.object({
  error: z.union([z.string(), z.object({ code: text, type: text })]).optional(),
  code: text,
});

export type RenewedTokens = z.output<typeof renewedSchema>;

/** The authorization server refused a refresh token for good. */
export class LoginRefusedError extends Error {
  override readonly name = 'LoginRefusedError';
  /** Such as `refresh_token_reused`. */
  readonly reason: string;

  constructor(reason: string) {
    super(`The authorization server refused the refresh token: ${reason}`);
    this.reason = reason;
  }
}

/**
 * Renews and revokes ChatGPT logins as Codex does: JSON instead of forms, any token may be left out of
 * an answer, and errors are objects. None of it is RFC 6749.
 */
export class TokenEndpoint {
  readonly #issuer: string;
  readonly #clientId: string;

  constructor(config: { OAUTH_ISSUER: string; OAUTH_CLIENT_ID: string }) {
    this.#issuer = config.OAUTH_ISSUER;
    this.#clientId = clientIdOf(config);
  }

  /** Uses a refresh token up. Throws {@link LoginRefusedError}, or `model_unavailable` for a temporary failure. */
  async refresh(refreshToken: string): Promise<RenewedTokens> {
    const response = await this.#post('/oauth/token', {
      client_id: this.#clientId,
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw failureOf(response.status, body);
    const renewed = renewedSchema.safeParse(body);
    if (renewed.success) return renewed.data;
    throw unavailable('it answered without an access token');
  }

  async revoke(refreshToken: string): Promise<void> {
    const response = await this.#post('/oauth/revoke', {
      token: refreshToken,
      token_type_hint: 'refresh_token',
      client_id: this.#clientId,
    });
    await response.body?.cancel();
    if (!response.ok) throw unavailable(`it answered ${response.status}`);
  }

  async #post(path: string, body: Record<string, string>): Promise<Response> {
    try {
      return await fetch(`${this.#issuer}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        // A redirect would carry the token to wherever it points.
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
    } catch (error) {
      const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
      throw unavailable(cause?.code ?? cause?.message ?? message);
    }
  }
}

/** The client id; `codex-cli` means the id of the Codex CLI. */
export function clientIdOf({ OAUTH_CLIENT_ID: id }: { OAUTH_CLIENT_ID: string }): string {
  return id === 'codex-cli' ? CODEX_CLI_ID : id;
}

function failureOf(status: number, body: unknown): Error {
  const { error, code } = errorSchema.safeParse(body).data ?? {};
  const reason = (typeof error === 'string' ? error : error?.code) ?? code ?? '';
  // The rest of the answer is not shown: it may repeat the token.
  const known = REFUSALS.has(reason);
  if (known || status === 401) return new LoginRefusedError(known ? reason : `HTTP ${status}`);
  return unavailable(`it answered ${status}`);
}

function unavailable(reason: string): AppError {
  const message = `The ChatGPT login could not be renewed at the authorization server: ${reason}.`;
  return new AppError('model_unavailable', message);
}
