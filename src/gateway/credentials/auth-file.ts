import { z } from 'zod';
import { PrivateFile } from './private-file.ts';

const tokensSchema = z.looseObject({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).nullish(),
  id_token: z.string().nullish(),
  account_id: z.string().nullish(),
});
const fileSchema = z.looseObject({
  auth_mode: z.string().nullish(),
  OPENAI_API_KEY: z.string().nullish(),
  tokens: tokensSchema.nullish(),
});

type FileContent = z.output<typeof fileSchema>;
export type Tokens = z.output<typeof tokensSchema>;

/** The content of an auth.json: an API key or the tokens of a ChatGPT login. */
export type SavedAuth = { apiKey?: string; tokens?: Tokens };

/** The auth.json that the Codex CLI and this server share. */
export class AuthFile {
  readonly #file: PrivateFile<FileContent>;
  #content: FileContent | undefined;
  #saved: SavedAuth | undefined;

  constructor(path: string) {
    this.#file = new PrivateFile(path, fileSchema);
  }

  get path(): string {
    return this.#file.path;
  }

  /** The content of the file; the same object until the file changes, undefined if there is no file. */
  read(): SavedAuth | undefined {
    const content = this.#file.read();
    if (content !== this.#content) this.#saved = content && savedAuth(content);
    this.#content = content;
    return this.#saved;
  }

  /** Replaces the tokens; the rest of the file stays. */
  saveTokens(tokens: Tokens): void {
    this.#file.write({ ...this.#file.read(), tokens, last_refresh: new Date().toISOString() });
  }

  saveLogin(tokens: Tokens): void {
    const last_refresh = new Date().toISOString();
    this.#file.write({ auth_mode: 'chatgpt', OPENAI_API_KEY: null, tokens, last_refresh });
  }

  saveApiKey(key: string): void {
    this.#file.write({ auth_mode: 'apikey', OPENAI_API_KEY: key });
  }

  remove(): void {
    this.#file.remove();
  }

  makeDirectory(): void {
    this.#file.makeDirectory();
  }
}

function savedAuth({ auth_mode: mode, OPENAI_API_KEY: key, tokens }: FileContent): SavedAuth {
  if (mode === 'apikey') return key ? { apiKey: key } : {};
  if (tokens) return { tokens };
  return key ? { apiKey: key } : {};
}
