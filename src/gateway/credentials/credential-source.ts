import type { AppError } from '../../errors.ts';
import type { Authorization } from '../model-upstream.ts';

/** Credentials that can pay for model requests. */
export interface CredentialSource {
  readonly method: 'api_key' | 'oauth';
  /** Base URL of the requests. */
  readonly baseUrl: string;
  /** Where the secret comes from, such as `auth.json`; shown to users. Null: no secret is needed. */
  readonly origin: string | null;
  /** Whether there is a secret. Read for every request, so it must be cheap. */
  readonly present: boolean;
  /** Why a secret that is present cannot be used. */
  readonly problem?: AppError | undefined;
  /** Expiry of the secret, in milliseconds since 1970. */
  readonly expiresAt?: number | undefined;
  authorize(): Promise<Authorization>;
  renew?(rejected: Authorization): Promise<boolean>;
}
