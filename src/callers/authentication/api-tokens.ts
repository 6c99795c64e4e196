import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { livePrincipal, type Principal, principalId } from '../../identity/principal.ts';
import type { TokenRecord, TokenStore } from './token-store.ts';

/** Secret scanners and people recognize a token by its prefix. */
const PREFIX = 'cmcp';
const FORM = new RegExp(`^${PREFIX}_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$`);
/** Precision of the time of last use. Each write costs a commit to the disk. */
const TOUCH_MS = 60_000;

type NewToken = Pick<TokenRecord, 'principal' | 'tenant' | 'roles' | 'agents' | 'expiresAt'>;

/** Static tokens, `cmcp_ID_SECRET`. Only the hash of a secret is stored. */
export class ApiTokens {
  readonly #store: TokenStore;

  constructor(store: TokenStore) {
    this.#store = store;
  }

  /** Whether callers require a token: true for ever once a token was made. */
  get exist(): boolean {
    return this.#store.hasAny();
  }

  /** Returns the token, which cannot be read again. */
  create(options: NewToken): { token: string; record: TokenRecord } {
    const tokenId = randomBytes(6).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const record = {
      ...options,
      tokenId,
      secretSha256: sha256(secret).toString('hex'),
      createdAt: new Date(),
    };
    this.#store.add(record);
    return { token: `${PREFIX}_${tokenId}_${secret}`, record };
  }

  /** Whether a bearer token has the form of ours. */
  isOurs(token: string): boolean {
    return FORM.test(token);
  }

  /** The principal of a token, which has no rights once the token is revoked or expires; undefined if it is wrong, or is so already. */
  principalOf(token: string, now = new Date()): Principal | undefined {
    const [, tokenId = '', secret = ''] = FORM.exec(token) ?? [];
    const record = this.#store.get(tokenId);
    // Compared even without a record, so that the time of the answer tells nothing.
    const expected = Buffer.from(record?.secretSha256 ?? '00'.repeat(32), 'hex');
    const isRight = timingSafeEqual(sha256(secret), expected);
    if (!record || !isRight || !holds(record, now)) return undefined;
    if (now.getTime() - (record.lastUsedAt?.getTime() ?? 0) > TOUCH_MS) {
      this.#store.touch(tokenId, now);
    }
    return livePrincipal(principalOf(record), () => this.#current(tokenId));
  }

  #current(tokenId: string): TokenRecord | undefined {
    const record = this.#store.get(tokenId);
    return record && holds(record, new Date()) ? record : undefined;
  }
}

function principalOf({ principal, tenant, roles, agents }: TokenRecord): Principal {
  return { id: principalId(principal, tenant), tenant, roles, ...(agents && { agents }) };
}

/** Whether a token is neither revoked nor expired. */
export function holds({ revokedAt, expiresAt }: TokenRecord, now: Date): boolean {
  return revokedAt === undefined && (expiresAt === undefined || expiresAt > now);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
