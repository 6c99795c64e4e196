import { FLUSH, packet } from './packet-line.ts';

const NO_ID = '0'.repeat(40);
/** Those of the oldest git that agents have. */
const CAPABILITIES =
  'report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1';

/** What a push is told of an agent that does not exist yet: a GET, which any page can send, begins none. */
export const EMPTY_REPOSITORY = Buffer.concat([
  packet(`${NO_ID} capabilities^{}\0${CAPABILITIES}\n`),
  FLUSH,
]);
