import { AppError } from '../errors.ts';

/** Prefix of the versions that this client is tested with. */
const SUPPORTED_CODEX = '0.169.';

/** Parses a user agent such as `codex-mcp-server/0.169.0 (Debian 12.0.0; x86_64) …`. Throws `codex_incompatible`. */
export function readVersion(userAgent: string): string {
  const version = /^[^/]+\/(\S+)/.exec(userAgent)?.[1] ?? 'unknown';
  if (version.startsWith(SUPPORTED_CODEX)) return version;
  throw new AppError(
    'codex_incompatible',
    `The container has Codex ${version}; this server supports ${SUPPORTED_CODEX}x.`,
    { data: { found: version, supported: `${SUPPORTED_CODEX}x` } },
  );
}
