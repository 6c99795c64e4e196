import { z } from 'zod';
import { Refusal } from './refusal.ts';

/** Without user, privileges and terminal: an exec runs as the user of the container. */
const execSchema = z.strictObject({
  Cmd: z.array(z.string()).min(1),
  AttachStdin: z.literal(true),
  AttachStdout: z.literal(true),
  AttachStderr: z.literal(true),
  WorkingDir: z.string().startsWith('/').optional(),
  Env: z.array(z.string()).optional(),
});

/** docker-modem also sends its own `hijack`, which engines ignore. */
const startSchema = z.strictObject({
  hijack: z.literal(true).optional(),
  Detach: z.literal(false).optional(),
  Tty: z.literal(false),
});

export const EXEC_START = JSON.stringify({ Detach: false, Tty: false });

export function allowExec(body: unknown): string {
  return JSON.stringify(validated(execSchema, body));
}

export function allowExecStart(body: unknown): void {
  validated(startSchema, body);
}

function validated<T>(schema: z.ZodType<T>, body: unknown): T {
  const { data, error } = schema.safeParse(body);
  if (error) {
    const { path, message } = error.issues[0] ?? { path: [], message: '' };
    throw new Refusal(`${path.join('.') || 'the body'} is not a request of the server: ${message}`);
  }
  return data as T;
}
