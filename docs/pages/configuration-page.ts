import { SETTING_GROUPS } from '../../src/config/setting.ts';
import {
  SETTING_NAMES,
  type SettingName,
  settingMeta,
  shownDefault,
} from '../../src/config/settings.ts';

/** The text of docs/configuration.md. */
export function configurationPage(): string {
  const sections = SETTING_GROUPS.map((group) => {
    const rows = namesOf(group).map((name) => {
      const { description, allowed } = settingMeta(name);
      const value = shownDefault(name);
      return `| \`${name}\` | ${value ? `\`${value}\`` : '–'} | ${description} | ${allowed} |`;
    });
    return `## ${group}\n\n| Variable | Default | Meaning | Allowed |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `# Configuration

Every setting is an environment variable, or a line of \`.env\` in the directory where the server starts (\`--env-file\` names another file).
Variables of the environment win; an empty value counts as unset; values in \`.env\` may be quoted.
A wrong value stops the start with the variable, its value and what is allowed.

<!-- Made from src/config/settings.ts by \`npm run docs\`. -->

${sections.join('\n')}`;
}

/** The text of .env.example. */
export function exampleEnvFile(): string {
  const sections = SETTING_GROUPS.map((group) => {
    const lines = namesOf(group).map((name) => {
      const { description } = settingMeta(name);
      return `# ${description}\n# ${name}=${shownDefault(name) ?? ''}\n`;
    });
    return `### ${group}\n\n${lines.join('\n')}`;
  });
  return `# Copy to .env and set what differs from the defaults shown. Details: docs/configuration.md\n\n${sections.join('\n')}`;
}

function namesOf(group: string): SettingName[] {
  return SETTING_NAMES.filter((name) => settingMeta(name).group === group);
}
