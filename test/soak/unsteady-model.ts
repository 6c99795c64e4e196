import { setTimeout as sleep } from 'node:timers/promises';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { ModelRequest } from '../fakes/stand-in-model/model-request.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import {
  cut,
  failed,
  http,
  json,
  refuse,
  type Step,
  shell,
  silence,
  text,
} from '../fakes/stand-in-model/step.ts';

const SLOWEST_MS = 4_000;

type Behave = (request: ModelRequest, mark: string, attempt: number) => Step | Promise<Step>;

/** What the model may do with a turn. Failures are of the first request alone, unless they say so. */
const BEHAVIOURS = {
  answer: (request) => answered(request),
  slow: async (request, mark) => {
    await sleep(Number.parseInt(mark.slice(-6), 16) % SLOWEST_MS);
    return answered(request);
  },
  streamed: ({ schema }) =>
    text(JSON.stringify(fillSchema(schema)).replaceAll(',', ', '), { chunkDelayMs: 40 }),
  command: ran((mark) => `echo ${mark} >> log.txt; tail -n 3 log.txt`),
  commands: (request, mark) =>
    request.toolOutputs.length < 3
      ? shell(`sleep 0.2; echo ${mark} >> log.txt`)
      : answered(request),
  long: ran(() => 'sleep 4'),
  background: ran(
    (mark) => `setsid -f sh -c 'sleep 900; : ${mark}' >/dev/null 2>&1; echo ${mark} > last.txt`,
  ),
  error500: once(() => http(500)),
  always500: () => http(500),
  limited: once(() => http(429, LIMITED, { 'retry-after': '1' })),
  cut: once(cut),
  refused: once(refuse),
  failed: once(() => failed('server_error')),
  unreadable: () => text('This is not the JSON that was asked for.'),
  silent: () => silence(),
} as const satisfies Record<string, Behave>;

const LIMITED = { error: { message: 'Too many requests.', type: 'rate_limit_error' } };

export type Behaviour = keyof typeof BEHAVIOURS;

/** A task that tells the model what to do with it. The mark is found again in commands and files. */
export function taskFor(behaviour: Behaviour, mark: string): string {
  return `Behave like ${behaviour} with ${mark}.`;
}

/** Hexadecimal digits at its end, as tasks and command lines of a soak carry them. */
export const MARK = /soak-[0-9a-f]{16}/;
const TASK = /Behave like (\w+) with (soak-[0-9a-f]{16})\./;

/** Does what each task asks for, and answers everything else, such as requests for a repair. */
export function unsteadyModel(): Script {
  const attempts = new Map<string, number>();
  return (request) => {
    const [, behaviour = '', mark = ''] = TASK.exec(request.prompt) ?? [];
    if (!isBehaviour(behaviour)) return answered(request);
    const attempt = (attempts.get(mark) ?? 0) + 1;
    attempts.set(mark, attempt);
    return BEHAVIOURS[behaviour](request, mark, attempt);
  };
}

function isBehaviour(word: string): word is Behaviour {
  return Object.hasOwn(BEHAVIOURS, word);
}

function answered({ schema, prompt }: ModelRequest): Step {
  return schema === undefined
    ? text(`Read ${prompt.length} characters.`)
    : json(fillSchema(schema));
}

function ran(command: (mark: string) => string): Behave {
  return (request, mark) =>
    request.toolOutputs.length === 0 ? shell(command(mark)) : answered(request);
}

function once(failure: () => Step): Behave {
  return (request, _mark, attempt) => (attempt === 1 ? failure() : answered(request));
}
