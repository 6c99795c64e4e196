import { z } from 'zod';
import { Refusal } from './refusal.ts';

/** No user, no privileges, no terminal: it runs as what the container runs as. */
const execSchema = z.strictObject({
  Cmd: z.array(z.string()).min(1),
  AttachStdin: z.literal(true),
  AttachStdout: z.literal(true),
  AttachStderr: z.literal(true),
  WorkingDir: z.string().startsWith('/').optional(),
  Env: z.array(z.string()).optional(),
});

/** What docker-modem sends: `hijack` is its own, and means nothing to an engine. */
const startSchema = z.strictObject({
  hijack: z.literal(true).optional(),
  Detach: z.literal(false).optional(),
  Tty: z.literal(false),
});

export const EXEC_START = JSON.stringify({ Detach: false, Tty: false });

export function allowExec(body: unknown): string {
  return JSON.stringify(held(execSchema, body));
}

export function allowExecStart(body: unknown): void {
  held(startSchema, body);
}

function held<T>(schema: z.ZodType<T>, body: unknown): T {
  const { data, error } = schema.safeParse(body);
  if (error) {
    const { path, message } = error.issues[0] ?? { path: [], message: '' };
    throw new Refusal(`${path.join('.') || 'the body'} is not what a server sends: ${message}`);
  }
  return data as T;
}
