/** The model provider behind the gateway, with the secret that opens it. */
export interface ModelUpstream {
  /** Where requests go, without a trailing slash, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  /** Headers that prove who pays. Throws `credentials_missing`. Read anew for every request. */
  authorize(): Promise<Readonly<Record<string, string>>>;
}
