import { z } from 'zod';

/** An agent id becomes part of container names, volume names and paths. */
export const agentIdSchema = z
  .string()
  .regex(
    /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    'must be 1 to 64 letters, digits, "_", "." or "-", begin with a letter or digit and not hold ".."',
  );

/** What callers write: an agent of their own or, for administrators, `ID@OWNER`. */
export const agentNameSchema = z
  .string()
  .regex(
    /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(@\S{1,200})?$/,
    'must be 1 to 64 letters, digits, "_", "." or "-", begin with a letter or digit and not hold ".."',
  );
