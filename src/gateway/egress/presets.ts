/** Rules for package managers, by name. docs/egress.md shows this table. */
export const EGRESS_PRESETS: Readonly<Record<string, readonly string[]>> = {
  npm: ['https://registry.npmjs.org'],
  pypi: ['https://pypi.org', 'https://files.pythonhosted.org'],
  crates: ['https://index.crates.io', 'https://static.crates.io', 'https://crates.io'],
  go: ['https://proxy.golang.org', 'https://sum.golang.org'],
  debian: [
    'GET http://deb.debian.org',
    'GET http://security.debian.org',
    'https://deb.debian.org',
    'https://security.debian.org',
  ],
  // Without github.com itself, which takes pushes and API calls over the same TLS as clones.
  github: [
    'https://codeload.github.com',
    'https://raw.githubusercontent.com',
    'https://objects.githubusercontent.com',
    'https://release-assets.githubusercontent.com',
  ],
};
