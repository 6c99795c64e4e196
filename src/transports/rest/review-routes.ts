import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { TurnView } from '../../callers/caller-turns.ts';
import { AppError } from '../../errors.ts';
import type { Principal } from '../../identity/principal.ts';
import { sarifOf } from '../../tools/work/review/sarif.ts';

const findingsSchema = z.object({
  comments: z.array(
    z.object({
      file: z.string(),
      line_range: z.string(),
      severity: z.enum(['info', 'warning', 'error', 'critical']),
      category: z.string(),
      message: z.string(),
      suggestion: z.string().optional(),
    }),
  ),
  reviewed: z.object({ to: z.string() }).optional(),
});

type Options = {
  turns: (principal: Principal) => { get(turnId: string): TurnView };
  version: string;
};

/** Findings of reviews as SARIF, for code hosts and editors. */
export function reviewRoutes(app: FastifyInstance, { turns, version }: Options): void {
  app.get<{ Params: { id: string } }>('/api/v1/turns/:id/sarif', (request, reply) => {
    const { turnId, tool, result } = turns(request.principal).get(request.params.id);
    const { data } = findingsSchema.safeParse(result);
    if (tool !== 'review' || !data) {
      throw new AppError('not_found', `Turn ${turnId} is no review that came to an end.`);
    }
    const commit = data.reviewed?.to;
    return reply
      .type('application/sarif+json')
      .send(JSON.stringify(sarifOf(data.comments, { version, turnId, commit })));
  });
}
