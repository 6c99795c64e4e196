import { normalHost } from '../../gateway/egress/host-name.ts';

const URL_LENGTH = 2000;
/** As git allows names of branches and tags, and none that a command could take for an option. */
const REF = /^(?![-/.])(?!.*(\.\.|@\{|\/\/|\.lock$|[/.]$))[^\s~^:?*[\\\p{Cc}]{1,200}$/u;

/** What is wrong with the URL of a repository; undefined if it can be cloned. */
export function gitUrlProblem(text: string): string | undefined {
  const url = text.length > URL_LENGTH || /\s/.test(text) ? null : URL.parse(text);
  if (!url) return 'it is no URL';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return 'only https:// (and http://) is cloned, not ssh, file or others';
  }
  if (url.username !== '' || url.password !== '') {
    return 'it holds a credential, which would be stored with the call; store it at the server, with codex-hangar credentials set git:HOST';
  }
  if (url.search !== '' || url.hash !== '') return 'it has a query or a fragment';
  return normalHost(url.hostname) === undefined ? 'it names no host' : undefined;
}

export function isGitRef(text: string): boolean {
  return REF.test(text);
}
