import { afterAll, beforeAll, describe, inject, test } from 'vitest';
import {
  FILES_CHANGE,
  KilledTransfers,
  PACK_ARRIVES,
  UPLOAD_ARRIVES,
  UPLOAD_IS_PLACED,
} from './transfer-kills.ts';

const engine = inject('engine');

describe.runIf(engine.available)('a container killed at each moment of a transfer', () => {
  let transfers: KilledTransfers;
  beforeAll(async () => {
    transfers = await KilledTransfers.start();
  });
  afterAll(() => transfers?.[Symbol.asyncDispose]());

  test.each([
    { moment: 'while its pack arrives', condition: PACK_ARRIVES },
    { moment: 'while it writes files', condition: FILES_CHANGE },
  ])('a push fails $moment, and can be repeated', ({ condition }) =>
    transfers.expectPushFailsAndIsRepeated(condition),
  );

  test('an upload is not taken that had not arrived, and finished that had', async () => {
    await transfers.expectUploadIsWhole(UPLOAD_ARRIVES, { isTaken: false });
    await transfers.expectUploadIsWhole(UPLOAD_IS_PLACED, { isTaken: true });
  });

  test('a restore is all of it, files and settings, or nothing', () =>
    transfers.expectRestoreIsWhole([
      [UPLOAD_ARRIVES, 'new'],
      [UPLOAD_IS_PLACED, 'old'],
    ]));

  test('a download is cut, and not taken for whole', () => transfers.expectDownloadIsCut());
});
