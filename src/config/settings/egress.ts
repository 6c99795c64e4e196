import { list, setting, size, wholeNumber } from '../setting.ts';

export const egressSettings = {
  EGRESS_ALLOW: setting(list().default([]), {
    group: 'Egress',
    description:
      'Hosts that every agent may reach besides the model. Unset: none; `allow_egress` allows hosts to one agent. See docs/egress.md.',
    allowed:
      'rules separated by commas: npm, pypi, crates, go, debian, github, example.org, *.example.org, example.org:8443, https://example.org, GET http://example.org',
  }),
  EGRESS_ALLOW_PRIVATE: setting(list().default([]), {
    group: 'Egress',
    description:
      'Private networks in which allowed hosts may be, such as the network of a mirror. Dangerous: agents reach every service there that a rule names. Loopback, link-local and metadata addresses stay denied.',
    allowed: 'CIDR ranges of private networks separated by commas, such as 10.1.2.0/24',
  }),
  EGRESS_LOG_KEPT: setting(wholeNumber(0, 100_000).default(1000), {
    group: 'Egress',
    description: 'Connections of an agent that the egress log keeps; the oldest are deleted first.',
    allowed: 'a whole number from 0 to 100000',
  }),
  EGRESS_IDLE_TIMEOUT: setting(wholeNumber(1, 86_400).default(300), {
    group: 'Egress',
    description: 'Seconds without a byte after which a connection of an agent is cut.',
    allowed: 'a whole number from 1 to 86400',
  }),
  EGRESS_HOURLY_LIMIT: setting(size().default(0), {
    group: 'Egress',
    description:
      'Bytes that an agent may send and receive in an hour, model requests excluded. 0: no limit.',
    allowed: '0, or a size such as 512m or 10g',
  }),
  MAX_EGRESS_CONNECTIONS: setting(wholeNumber(1, 192).default(64), {
    group: 'Egress',
    description:
      'Connections of an agent that may be open at the same time, model requests excluded.',
    allowed: 'a whole number from 1 to 192',
  }),
};
