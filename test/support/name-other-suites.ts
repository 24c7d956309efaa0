import { findTool } from './tools.ts'

const suites = {
  'test:commands': ['redis-server', 'versitygw', 'haproxy'],
  'test:stores': ['versitygw', 'weed', 'fake-gcs-server'],
  'test:clients': ['skopeo', 'podman', 'buildah', 'crane', 'oras', 'regctl', 'pebble'],
  'test:conformance': ['conformance'],
  'test:distribution': ['docker-registry'],
  'test:mirror': ['docker-registry', 'registry', 'skopeo', 'crane'],
  'test:crash': ['versitygw', 'redis-server'],
  'test:fuzz': [],
  'test:processes': ['redis-server', 'strace', 'nginx', 'haproxy', 'promtool'],
  'test:page': ['chromium'],
  'test:package': ['npm', 'helm'],
}

/** Says at the end of `npm test` which suites have scripts of their own, and what this machine lacks for them. */
export function teardown(): void {
  const lines = Object.entries(suites).map(([script, tools]) => {
    const missing = tools.filter((tool) => findTool(tool) === undefined)
    return `  npm run ${script}${missing.length > 0 ? `  (would skip, not installed: ${missing.join(', ')})` : ''}`
  })
  process.stdout.write(
    `\nNot run here, because they need more than Node or take long:\n${lines.join('\n')}\n`,
  )
}
