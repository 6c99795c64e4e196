# The server. Agents have an image of their own, which the server builds from agent-image/ on its
# first start. Nothing here needs BuildKit: Docker Engine 20.10 with its classic builder is enough.
ARG BASE_IMAGE=node:24-bookworm-slim

FROM ${BASE_IMAGE} AS build
# Tells the leftovers of this stage from other untagged images; see docs/docker.md.
LABEL codex-mcp.stage=build
WORKDIR /app
# The pattern lets extra-ca.crt be absent: it holds further certificate authorities, for networks
# behind a TLS-inspecting proxy.
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json extra-ca.cr[t] ./
COPY src src
# One step, since an engine packs a gigabyte of what only the build needs otherwise. Not
# `npm ci --omit=optional`: the compiler's program is an optional dependency too. Codex itself is only
# for agents that run as processes of the server, which never is the case in a container.
RUN touch extra-ca.crt \
  && export NODE_EXTRA_CA_CERTS=/app/extra-ca.crt npm_config_cache=/tmp/npm \
  && npm ci --ignore-scripts --no-audit \
  && npm run build \
  && npm prune --omit=dev --omit=optional --ignore-scripts --no-audit \
  && rm -rf /tmp/npm

FROM ${BASE_IMAGE}
# Not 1000, which is what agents run as.
RUN groupadd --gid 10001 codex-mcp \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data codex-mcp \
  && install -d -o 10001 -g 10001 -m 0700 /data /run/engine \
  && install -d /config /app /etc/codex-mcp
COPY --from=build /app/extra-ca.crt /etc/codex-mcp/extra-ca.crt
COPY --from=build /app/package.json /app/
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
COPY agent-image /app/agent-image
COPY prices.json /app/
# An empty extra-ca.crt adds nothing. A file mounted over it needs no new image.
ENV DATA_DIR=/data \
  AGENT_RUNTIME=docker \
  EXTRA_CA_CERTS=/etc/codex-mcp/extra-ca.crt \
  NODE_EXTRA_CA_CERTS=/etc/codex-mcp/extra-ca.crt
LABEL org.opencontainers.image.title="codex-mcp-server" \
  org.opencontainers.image.licenses="MIT"
USER 10001:10001
# A .env in here is read at the start.
WORKDIR /config
VOLUME /data
EXPOSE 8210
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MCP_PORT || 8210}/health`).then(async (answer) => { console.log(await answer.text()); process.exitCode = answer.ok ? 0 : 1 })"]
CMD ["node", "/app/dist/main.js"]
