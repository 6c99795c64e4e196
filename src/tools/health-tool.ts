import { z } from 'zod';
import { LOOKING } from './annotations.ts';
import { type HealthReport, healthReport } from './health/health-check.ts';
import type { Tool } from './tool.ts';

const input = z.strictObject({});

/** The same as `GET /health`. */
export function healthTool(
  health: () => Promise<HealthReport>,
): Tool<typeof input, typeof healthReport> {
  return {
    name: 'health_check',
    title: 'Check the server',
    description: 'Tells whether the server can work now, and if not, what to do about it.',
    annotations: LOOKING,
    servedWhenFull: true,
    input,
    output: healthReport,
    run: () => health(),
  };
}
