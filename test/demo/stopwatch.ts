import { type Narrator, seconds } from './narrator.ts';

/** Remembers where time went. */
export class Stopwatch {
  readonly #times: { name: string; milliseconds: number }[] = [];

  async measure<T>(name: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const result = await work();
    this.add(name, performance.now() - startedAt);
    return result;
  }

  add(name: string, milliseconds: number): void {
    this.#times.push({ name, milliseconds });
  }

  show(narrator: Narrator): void {
    const longest = Math.max(...this.#times.map(({ milliseconds }) => milliseconds));
    narrator.chapter('Where time went');
    for (const { name, milliseconds } of this.#times) {
      narrator.duration(name, milliseconds, longest);
    }
    const total = this.#times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    narrator.fact('in all', seconds(total));
  }
}
