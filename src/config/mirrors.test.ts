import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './load.ts'

function load(text: string) {
  const file = `version: 0.1\nstorage: {inmemory: }\n${text}`
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => file }).config
}

function problemsOf(text: string): string[] {
  try {
    load(text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
}

test('an upstream is named by its host, and has its names and its namespace', () => {
  const [mirror] = load('mirrors: [{upstream: docker.io}]').mirrors
  expect(mirror).toMatchObject({
    upstream: { host: 'docker.io', url: 'https://registry-1.docker.io' },
    prefix: 'docker.io',
    namespaces: ['docker.io'],
    ttl: 604_800_000,
  })
})

test('an upstream with a port has a prefix of its own', () => {
  const [mirror] = load('mirrors: [{upstream: "http://localhost:5000", prefix: local/one}]').mirrors
  expect(mirror).toMatchObject({ prefix: 'local/one', namespaces: ['localhost:5000'] })
})

test.each([
  ['mirrors: [{upstream: "localhost:5000"}]', 'mirrors[0].prefix'],
  ['mirrors: [{upstream: quay.io}, {upstream: ghcr.io, prefix: quay.io}]', 'mirrors[1].prefix'],
  ['mirrors: [{upstream: quay.io}, {upstream: ghcr.io, namespaces: [quay.io]}]', 'mirrors[1].namespaces'],
  ['mirrors: [{upstream: "ftp://quay.io"}]', 'mirrors[0].upstream'],
  ['mirrors: [{upstream: "https://me:secret@quay.io"}]', 'mirrors[0].upstream'],
  ['mirrors: [{upstream: quay.io, redirectnetworks: [a]}]', 'mirrors[0].redirectnetworks[0]'],
  ['mirrors: [{upstream: quay.io}]\nproxy: {remoteurl: "https://ghcr.io"}', 'mirrors'],
])('%s is refused', (text, path) => {
  expect(problemsOf(text)).toEqual([expect.stringContaining(`${path}: `)])
  expect(problemsOf(text).join()).not.toContain('secret')
})
