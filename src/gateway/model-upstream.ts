/** What opens the model provider for one request. */
export type Authorization = {
  /** Where requests go, without a trailing slash, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  /** Headers that prove who pays. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the server is billed by the token: a plan is not, nor is somebody else's key. Default: true. */
  readonly billed?: boolean;
  /** Further secrets that belong to them; what the provider says must not show them. */
  readonly secrets?: readonly string[];
};

/** The model provider behind the gateway, with the secrets that open it. */
export interface ModelUpstream {
  /**
   * Asked anew for every request; `payer` is the id of the principal whose agent it is, where known.
   * Throws `credentials_missing`, `login_revoked`, `login_read_only`, and `model_unavailable` where
   * the credentials could not be renewed for the moment.
   */
  authorize(payer?: string): Promise<Authorization>;
  /** Told of what was answered 401: whether the request is worth sending once more, authorized anew. */
  renew?(rejected: Authorization): Promise<boolean>;
}
