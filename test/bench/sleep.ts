/** How an agent can be before a call, and what it and its like are called in the tables. */
export const SLEEPS = {
  paused: { product: 'paused agent', raw: 'docker unpause' },
  pooled: { product: 'new agent, from the warm pool', raw: 'docker unpause, a new thread' },
  stopped: { product: 'stopped agent', raw: 'docker start' },
  new: { product: 'new agent', raw: 'docker run' },
} as const;
export type Sleep = keyof typeof SLEEPS;

/** So many are put to sleep together and then woken one after another. */
export const AGENTS_A_WAVE = 5;

export type FirstEvent = {
  /** From the call to the first event of its turn. */
  milliseconds: number;
  /** When the app-server answered; known of those alone that are driven by hand. */
  ready?: number;
};

/** An agent or a bare app-server that sleeps: its first turn wakes it, the next finds it awake. */
export type Sleeper = { /** Resolves at the end of the turn. */ turn(): Promise<FirstEvent> };

/** Resolves when {@link AGENTS_A_WAVE} sleep, and everything that came before is over. */
export type PutToSleep = () => Promise<Sleeper[]>;
