import { AppError } from '../errors.ts';
import type { TurnRequest } from './turn.ts';
import type { TurnAccess, TurnKind } from './turn-kind.ts';

/** The kinds of turns that this server knows, by the names of their tools. */
export class TurnKinds {
  readonly #kinds: ReadonlyMap<string, TurnKind>;

  constructor(kinds: readonly TurnKind[]) {
    this.#kinds = new Map(kinds.map((kind) => [kind.name, kind]));
  }

  /** Throws `unknown_tool`. */
  of(tool: string): TurnKind {
    const kind = this.#kinds.get(tool);
    if (kind) return kind;
    throw new AppError('unknown_tool', `This server has no tool named "${tool}".`);
  }

  /** Whether what a request asks for may change files; false for a tool that is not there. */
  mayWrite(request: TurnRequest): boolean {
    const kind = this.#kinds.get(request.tool);
    return kind !== undefined && accessOf({ kind, request }) === 'write';
  }
}

/** What a turn may do with the files, by its arguments. */
export function accessOf({
  kind,
  request,
}: {
  kind: TurnKind;
  request: Pick<TurnRequest, 'args'>;
}): TurnAccess {
  return kind.access(kind.args.parse(request.args));
}
