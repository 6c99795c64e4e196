type Node = { kind: 'directory'; below: Map<string, Node> } | { kind: 'file' | 'link' };
export type EntryKind = Node['kind'];

/** The names that an archive has used so far, each with what it is. */
export class EntryTree {
  readonly #root = new Map<string, Node>();

  /**
   * Takes an entry by the parts of its path; directories above it that were not named are added.
   * Answers what speaks against it: nothing may be there twice, or lie below a file or a link.
   */
  add(parts: readonly string[], kind: EntryKind): string | undefined {
    const above = this.#directory(parts.slice(0, -1));
    if (!above) return 'it lies below an entry that is no directory';
    const name = parts.at(-1) ?? '';
    const known = above.get(name);
    if (known?.kind === 'directory' && kind === 'directory') return undefined;
    if (known) return 'an entry before it has the same name';
    above.set(name, kind === 'directory' ? { kind, below: new Map() } : { kind });
    return undefined;
  }

  /** Whether an earlier entry is a file of this path. */
  hasFile(parts: readonly string[]): boolean {
    const last = parts.reduce<Node | undefined>(
      (node, part) => (node?.kind === 'directory' ? node.below.get(part) : undefined),
      { kind: 'directory', below: this.#root },
    );
    return last?.kind === 'file';
  }

  #directory(parts: readonly string[]): Map<string, Node> | undefined {
    let here = this.#root;
    for (const part of parts) {
      const next = here.get(part) ?? { kind: 'directory' as const, below: new Map() };
      if (next.kind !== 'directory') return undefined;
      here.set(part, next);
      here = next.below;
    }
    return here;
  }
}
