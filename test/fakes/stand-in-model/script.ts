import { fillSchema } from './fill-schema.ts';
import type { ModelRequest } from './model-request.ts';
import { json, type Step, shell, text } from './step.ts';

/** Decides what the stand-in model does with a request. */
export type Script = (request: ModelRequest) => Step | Promise<Step>;

/** One step after the other for each prompt: the next one when a tool has answered. The last repeats. */
export function sequence(steps: readonly [Step, ...Step[]]): Script {
  return ({ toolOutputs }) => steps[Math.min(toolOutputs.length, steps.length - 1)] ?? steps[0];
}

/** Answers anything: with the smallest value of the asked schema, else with a sentence. */
export const answerAnything: Script = ({ schema, prompt }) =>
  schema === undefined
    ? text(`The stand-in model read ${prompt.length} characters.`)
    : json(fillSchema(schema));

/** Runs a command once for each prompt, and then answers what was asked for. */
export const runsOnce =
  (command: string): Script =>
  ({ toolOutputs, schema }) =>
    toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema));

/** What a task tells to run: the rest of its line after `run:`. */
export function commandIn(prompt: string): string | undefined {
  return /run:(.*)/.exec(prompt)?.[1];
}

/** Runs what the task tells to run, once, and answers what was asked for. */
export const obey: Script = ({ prompt, toolOutputs, schema }) => {
  const command = commandIn(prompt);
  return command && toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema));
};
