import { z } from 'zod';
import { ownNameSchema } from '../../identity/agent-id.ts';
import { LOCAL, type Principal, principalId, ROLES, type Role } from '../../identity/principal.ts';

/** Names that other systems use. */
const ROLE_ALIASES: Readonly<Record<string, Role>> = { code: 'developer' };

/** Ids and tenants appear in logs, in headers and after the `@` of agents' names. */
export const principalIdSchema = z
  .string()
  .regex(/^[^\s@\p{C}][^\s\p{C}]{0,199}$/u, 'must be 1 to 200 characters without spaces');

const words = z.union([z.string().transform((text) => text.split(/[\s,]+/)), z.array(z.string())]);

const claimsSchema = z.object({
  sub: principalIdSchema.optional(),
  tenant: principalIdSchema.default(LOCAL.tenant),
  agents: z.array(ownNameSchema).optional(),
});

/** The principal of a verified token. Throws a ZodError for invalid claims. */
export function principalOfClaims(
  claims: Record<string, unknown>,
  { name, roles }: { name: (sub: string | undefined) => string; roles: readonly Role[] },
): Principal {
  const { sub, tenant, agents } = claimsSchema.parse(claims);
  return { id: principalId(name(sub), tenant), tenant, roles, ...(agents && { agents }) };
}

/** The roles of claims such as `role: "code"` or `roles: ["viewer", "approver"]`. Unknown roles are ignored. */
export function rolesOf(...claims: unknown[]): Role[] {
  const named = claims.flatMap((claim) => words.safeParse(claim).data ?? []);
  return ROLES.filter((role) => named.some((word) => (ROLE_ALIASES[word] ?? word) === role));
}
