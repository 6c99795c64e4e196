type Node = { kind: 'directory'; below: Map<string, Node> } | { kind: 'file' | 'link' };
export type EntryKind = Node['kind'];

/** The paths of an archive so far, with their kinds. */
export class EntryTree {
  readonly #root = new Map<string, Node>();

  /**
   * Adds an entry and its missing parent directories. Returns the objection to an entry that exists twice
   * or is below a file or a link.
   */
  add(parts: readonly string[], kind: EntryKind): string | undefined {
    const above = this.#directory(parts.slice(0, -1));
    if (!above) return 'its parent is an entry that is not a directory';
    const name = parts.at(-1) ?? '';
    const known = above.get(name);
    if (known?.kind === 'directory' && kind === 'directory') return undefined;
    if (known) return 'an earlier entry has the same path';
    above.set(name, kind === 'directory' ? { kind, below: new Map() } : { kind });
    return undefined;
  }

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
