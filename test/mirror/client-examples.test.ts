/** The examples for clients that are not run in the tests: well-formed, and with the hosts and paths by which those that are
 *  run pull. */
import { readFile } from 'node:fs/promises'
import { parse as parseToml } from 'smol-toml'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const read = (name: string) =>
  readFile(new URL(`../../examples/mirror-clients/${name}`, import.meta.url), 'utf8')

test('docker names the host alone, of a registry that mirrors Docker Hub only', async () => {
  const { 'registry-mirrors': mirrors } = JSON.parse(await read('daemon.json'))
  for (const mirror of mirrors) expect(new URL(mirror).pathname).toBe('/')
})

test('k3s names the host alone, as containerd does: the namespace is in the query', async () => {
  const { mirrors } = parse(await read('registries.yaml'))
  const { host } = parseToml(await read('hosts.toml')) as unknown as { host: object }
  const [containerd] = Object.keys(host)
  expect(Object.keys(mirrors)).toContain('docker.io')
  for (const { endpoint } of Object.values<{ endpoint: string[] }>(mirrors))
    expect(endpoint).toEqual([containerd])
})

test('buildkit names the prefix behind the host, as podman does', async () => {
  const buildkit = parseToml(await read('buildkitd.toml'))
  const podman = parseToml(await read('registries.conf')) as unknown as PodmanRegistries
  const expected = podman.registry.map(({ prefix, mirror }) => [
    prefix,
    { mirrors: mirror.map(({ location }) => location) },
  ])
  expect(buildkit).toEqual({ registry: Object.fromEntries(expected) })
})

interface PodmanRegistries {
  readonly registry: readonly {
    readonly prefix: string
    readonly mirror: readonly { readonly location: string }[]
  }[]
}
