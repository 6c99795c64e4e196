import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { startDemo } from './demo/start-demo.ts';

test.runIf(inject('engine').available)(
  'without a base image the demo tells why and runs as processes',
  async () => {
    using scratch = fs.mkdtempDisposableSync(path.join(os.tmpdir(), 'codex-mcp-demo-test-'));
    const demo = startDemo(scratch.path, { AGENT_BASE_IMAGE: 'registry.invalid/none:1' });
    expect(await demo.exitCode, demo.output()).toBe(0);
    expect(demo.output()).toContain('registry.invalid/none:1');
    expect(demo.output()).toContain('AGENT_RUNTIME=process');
    expect(demo.output()).toContain('+++ b/slugify.js');
  },
);
