/** The examples for clients that are not run in the tests: well-formed, and with the hosts and paths by which those that are
 *  run pull. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const read = (name: string) =>
  readFile(new URL(`../../examples/mirror-clients/${name}`, import.meta.url), 'utf8')

/** Of a line of TOML or of registries.conf. */
const valuesOf = (text: string, key: string) =>
  [...text.matchAll(new RegExp(`^\\s*${key} = "?\\[?"([^"]+)"`, 'gm'))].map(([, value]) => value)

test('docker names the host alone, of a registry that mirrors Docker Hub only', async () => {
  const { 'registry-mirrors': mirrors } = JSON.parse(await read('daemon.json'))
  for (const mirror of mirrors) expect(new URL(mirror).pathname).toBe('/')
})

test('k3s names the host alone, as containerd does: the namespace is in the query', async () => {
  const { mirrors } = parse(await read('registries.yaml'))
  const hosts = (await read('hosts.toml')).matchAll(/^\[host\."([^"]+)"\]$/gm)
  const [containerd] = [...hosts].map(([, url]) => url)
  expect(Object.keys(mirrors)).toContain('docker.io')
  for (const { endpoint } of Object.values<{ endpoint: string[] }>(mirrors))
    expect(endpoint).toEqual([containerd])
})

test('buildkit names the prefix behind the host, as podman does', async () => {
  const buildkit = await read('buildkitd.toml')
  const podman = await read('registries.conf')
  expect([...buildkit.matchAll(/^\[registry\."([^"]+)"\]$/gm)].map(([, host]) => host)).toEqual(
    valuesOf(podman, 'prefix'),
  )
  const [, mirror] = valuesOf(podman, 'location')
  expect(valuesOf(buildkit, 'mirrors')).toEqual([mirror])
  // Every line is a comment, a table, a pair, or empty.
  for (const line of buildkit.split('\n')) expect(line).toMatch(/^(#.*|\[.+\]|\s*[\w-]+ = .+|)$/)
})
