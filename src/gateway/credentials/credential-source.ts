import type { AppError } from '../../errors.ts';
import type { Authorization } from '../model-upstream.ts';

/** One way to pay for model requests. */
export interface CredentialSource {
  readonly method: 'api_key' | 'oauth';
  /** Where requests go. */
  readonly baseUrl: string;
  /** Where the secret comes from, such as `auth.json`; shown to users. Null: there is none, nor need be. */
  readonly origin: string | null;
  /** Whether there is anything to pay with. Cheap: asked for every request. */
  readonly present: boolean;
  /** Why it cannot be used as it is, though it is there. */
  readonly problem?: AppError | undefined;
  /** When what is in use has to be renewed, in milliseconds since 1970. */
  readonly expiresAt?: number | undefined;
  authorize(): Promise<Authorization>;
  renew?(rejected: Authorization): Promise<boolean>;
}
