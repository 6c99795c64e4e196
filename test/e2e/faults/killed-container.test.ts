import { describe, inject, test } from 'vitest';
import { killedContainersGoOn } from './killed-container.ts';

describe.runIf(inject('engine').available)('a container that is killed in a turn', () => {
  test('ends it with a reason, and the next call has the files and the conversation', () =>
    killedContainersGoOn(2));
});
