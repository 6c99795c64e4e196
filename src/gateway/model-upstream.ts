/** The credentials of one model request. */
export type Authorization = {
  /** Base URL without a trailing slash, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the server is billed by the token: not with a plan or a principal's key. Default: true. */
  readonly billed?: boolean;
  /** Related secrets, which are redacted in answers of the provider. */
  readonly secrets?: readonly string[];
};

/** The model provider behind the gateway, with its credentials. */
export interface ModelUpstream {
  /**
   * Called for every request; `payer` is the principal of the agent, if known.
   * Throws `credentials_missing`, `login_revoked`, `login_read_only`, and `model_unavailable` if the
   * credentials cannot be renewed now.
   */
  authorize(payer?: string): Promise<Authorization>;
  /** Renews credentials that were answered 401; returns whether to retry with new ones. */
  renew?(rejected: Authorization): Promise<boolean>;
}
