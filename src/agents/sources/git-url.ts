import { normalHost } from '../../gateway/egress/host-name.ts';

const URL_LENGTH = 2000;
/** Names of branches and tags that git allows, except for those that look like options. */
const REF = /^(?![-/.])(?!.*(\.\.|@\{|\/\/|\.lock$|[/.]$))[^\s~^:?*[\\\p{Cc}]{1,200}$/u;

/** What is wrong with the URL of a repository; undefined for a valid one. */
export function gitUrlProblem(text: string): string | undefined {
  const url = text.length > URL_LENGTH || /\s/.test(text) ? null : URL.parse(text);
  if (!url) return 'it is not a URL';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return 'only https:// and http:// are supported';
  }
  if (url.username !== '' || url.password !== '') {
    return 'it contains a credential, which would be stored with the call; store the credential in the server with codex-hangar credentials set git:HOST';
  }
  if (url.search !== '' || url.hash !== '') return 'it has a query or a fragment';
  return normalHost(url.hostname) === undefined ? 'it has no host' : undefined;
}

export function isGitRef(text: string): boolean {
  return REF.test(text);
}
