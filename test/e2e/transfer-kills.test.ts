import { afterAll, beforeAll, describe, inject, test } from 'vitest';
import { FILES_CHANGE, KilledTransfers, UPLOAD_IS_PLACED } from './transfer-kills.ts';

const engine = inject('engine');

describe.runIf(engine.available)('a container killed in the middle of a transfer', () => {
  let transfers: KilledTransfers;
  beforeAll(async () => {
    transfers = await KilledTransfers.start();
  });
  afterAll(() => transfers?.[Symbol.asyncDispose]());

  test('a push fails while it writes files, and can be repeated', () =>
    transfers.expectPushFailsAndIsRepeated(FILES_CHANGE));

  test('an upload that had arrived is finished', () =>
    transfers.expectUploadIsWhole(UPLOAD_IS_PLACED, { isTaken: true }));

  test('a download is cut, and not taken for whole', () => transfers.expectDownloadIsCut());
});
