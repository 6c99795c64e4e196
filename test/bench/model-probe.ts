import { z } from 'zod';
import { answerAnything, type Script } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import type { Step } from '../fakes/stand-in-model/step.ts';

/** What one turn asks of Codex. */
export type Work = { prompt: string; outputSchema: unknown; model: string; effort?: string };

const MODEL_KEY = 'sk-bench';

/** A model that answers at once, and knows when it was asked. */
export class ModelProbe {
  readonly key = MODEL_KEY;
  readonly #model: StandInModel;
  #askedAt = 0;
  #waitingSince: number[] = [];
  #hold: PromiseWithResolvers<void> | undefined;

  private constructor(model: StandInModel) {
    this.#model = model;
  }

  static async start(cleanup: AsyncDisposableStack): Promise<ModelProbe> {
    // Containers with a network of their own reach it at the address of the bridge.
    const model = await startStandInModel({
      apiKey: MODEL_KEY,
      host: '0.0.0.0',
      script: answerAnything,
    });
    cleanup.use(model);
    const probe = new ModelProbe(model);
    model.setScript((request) => probe.#answer(request));
    return probe;
  }

  urlAt(host: string): string {
    return `http://${host}:${this.#model.port}/v1`;
  }

  /** Lets everybody wait who asks from now on, until the answers are let go. */
  hold(): void {
    this.#hold ??= Promise.withResolvers();
    this.#waitingSince = [];
  }

  release(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  /** When each of those asked who wait since the last {@link hold}, in milliseconds since the epoch. */
  get waitingSince(): readonly number[] {
    return this.#waitingSince;
  }

  /** When the last request came. */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** What the last request asked, so that others can be given the same. */
  get lastWork(): Work {
    const seen = this.#model.requests.at(-1)?.seen;
    if (!seen) throw new Error('The model was never asked.');
    const { reasoning } = bodySchema.parse(seen.body);
    return {
      prompt: seen.prompt,
      outputSchema: seen.schema,
      model: seen.model ?? '',
      ...(reasoning?.effort && { effort: reasoning.effort }),
    };
  }

  async #answer(request: Parameters<Script>[0]): Promise<Step> {
    this.#askedAt = performance.now();
    if (this.#hold) {
      this.#waitingSince.push(Date.now());
      await this.#hold.promise;
    }
    return answerAnything(request);
  }
}

const bodySchema = z.looseObject({
  reasoning: z.looseObject({ effort: z.string().optional() }).nullish(),
});
