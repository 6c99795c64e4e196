import { z } from 'zod';
import { agentIdSchema } from '../../identity/agent-id.ts';
import { LOCAL, type Principal, principalId, ROLES, type Role } from '../../identity/principal.ts';

/** Words of other systems for the same. */
const ROLE_ALIASES: Readonly<Record<string, Role>> = { code: 'developer' };

/** Ids and tenants stand in logs, in headers and after the `@` of agents' names. */
export const principalIdSchema = z
  .string()
  .regex(/^[^\s@\p{C}][^\s\p{C}]{0,199}$/u, 'must be 1 to 200 characters without spaces');

const words = z.union([z.string().transform((text) => text.split(/[\s,]+/)), z.array(z.string())]);

const claimsSchema = z.object({
  sub: principalIdSchema.optional(),
  tenant: principalIdSchema.default(LOCAL.tenant),
  agents: z.array(agentIdSchema).optional(),
});

/** Who is meant by the claims of a token whose signature holds. Throws a ZodError for claims that mean nothing. */
export function principalOfClaims(
  claims: Record<string, unknown>,
  { name, roles }: { name: (sub: string | undefined) => string; roles: readonly Role[] },
): Principal {
  const { sub, tenant, agents } = claimsSchema.parse(claims);
  return { id: principalId(name(sub), tenant), tenant, roles, ...(agents && { agents }) };
}

/** The roles that claims such as `role: "code"` or `roles: ["viewer", "approver"]` name; unknown words give nothing. */
export function rolesOf(...claims: unknown[]): Role[] {
  const named = claims.flatMap((claim) => words.safeParse(claim).data ?? []);
  return ROLES.filter((role) => named.some((word) => (ROLE_ALIASES[word] ?? word) === role));
}
