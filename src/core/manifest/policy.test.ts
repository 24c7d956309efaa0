import { describe, expect, it, vi } from 'vitest'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../../../test/support/manifest-json.ts'
import { expectInvalidManifest } from '../../../test/support/registry-error.ts'
import { DOCKER_FOREIGN_LAYER, MediaType, NON_DISTRIBUTABLE_LAYERS } from '../media-type.ts'
import { parseManifest } from './parse.ts'
import { checkUrls, DEFAULT_POLICY, type ManifestPolicy, mustExist, NO_VALIDATION } from './policy.ts'

const withLayers = (layers: unknown[]) => parseManifest(payloadOf(imageJson({ layers })))
const withUrls = (urls: string[], mediaType = DOCKER_FOREIGN_LAYER) =>
  withLayers([descriptorOf('plain'), descriptorOf('foreign', { mediaType, urls })])
const urlPolicy = ({ allow = [], deny = [] }: Partial<ManifestPolicy['urls']>): ManifestPolicy => ({
  ...DEFAULT_POLICY,
  urls: { allow, deny },
})

describe('the URLs of a manifest', () => {
  const allow = [/^https:\/\/a\.example\//, /^https:\/\/b\.example\//]
  const deny = [/secret/, /private/]

  it.each([
    ['match one of allow', { allow }, ['https://a.example/x', 'https://b.example/y'], true],
    ['match none of allow', { allow }, ['https://c.example/x'], false],
    ['match in part', { allow }, ['https://a.example/x', 'https://c.example/x'], false],
    ['match allow and deny', { allow, deny }, ['https://a.example/private'], false],
    ['match allow and not deny', { allow, deny }, ['https://a.example/public'], true],
    ['match deny alone', { deny }, ['https://c.example/secret'], false],
    ['do not match deny alone', { deny }, ['https://c.example/x'], true],
    ['have nothing to match', {}, ['https://a.example/x'], true],
  ])('pass by what the operator allows and denies: they %s', (_, patterns, urls, passes) => {
    const check = () => checkUrls(withUrls(urls), urlPolicy(patterns))
    if (passes) check()
    else expectInvalidManifest(check, 'not allowed')
  })

  it('are of no interest to a manifest that has none', () => {
    checkUrls(withLayers([descriptorOf('plain')]), DEFAULT_POLICY)
    checkUrls(parseManifest(payloadOf(indexJson())), DEFAULT_POLICY)
  })

  it.each([
    'ftp://a.example/x',
    'file:///etc/passwd',
    '//a.example/x',
    '/x',
    'a.example',
    'https://',
    'https://[::1',
    'https://a.example/#part',
    'https://a.example/\nx',
    ' https://a.example/',
    'javascript:alert(1)//https://a.example/',
    '',
  ])('must be absolute, of the web and without a fragment, whatever the policy: %j', (url) => {
    for (const policy of [NO_VALIDATION, DEFAULT_POLICY, urlPolicy({ deny })]) {
      expectInvalidManifest(() => checkUrls(withUrls([url]), policy), 'invalid URL')
    }
  })

  it('may be any of the web where nothing is configured', () => {
    for (const policy of [DEFAULT_POLICY, NO_VALIDATION]) {
      checkUrls(withUrls(['http://a.example', 'HTTPS://[::1]:8443/x?y=z']), policy)
    }
  })

  it('must be there for a foreign layer of Docker', () => {
    expectInvalidManifest(() => checkUrls(withUrls([]), NO_VALIDATION), 'has no URL')
  })

  it('are checked of layers that clients may fetch from there, not of other content', () => {
    const policy = urlPolicy({ deny: [/./] })
    const check = (mediaType: string) => () => checkUrls(withUrls(['https://a.example'], mediaType), policy)
    for (const suffix of ['', '+gzip', '+zstd']) {
      expectInvalidManifest(check(`application/vnd.oci.image.layer.v1.tar${suffix}`), 'not allowed')
    }
    for (const mediaType of NON_DISTRIBUTABLE_LAYERS) expectInvalidManifest(check(mediaType), 'not allowed')
    for (const mediaType of [
      'application/vnd.docker.image.rootfs.diff.tar.gzip',
      'application/vnd.example',
    ]) {
      check(mediaType)()
    }
  })

  it('cannot make a pattern run for long', () => {
    const fromTheManual = /^https?:\/\/([^/]+\.)*example\.com\//
    const slow = withUrls([`http://${'a.'.repeat(60)}`])
    expectInvalidManifest(() => checkUrls(slow, urlPolicy({ allow: [fromTheManual] })), 'too long')
  })

  it('are checked again if others had the processor meanwhile', () => {
    let count = 0
    const pattern = /./
    pattern.test = () => {
      if (++count === 1) for (;;);
      return true
    }
    const cpuUsage = vi.spyOn(process, 'threadCpuUsage').mockReturnValue({ user: 0, system: 0 })
    try {
      checkUrls(withUrls(['http://example.com/layer']), urlPolicy({ allow: [pattern] }))
    } finally {
      cpuUsage.mockRestore()
    }
    expect(count).toBe(2)
  })
})

describe('what must be in the repository', () => {
  const [amd64, arm64, unnamed] = parseManifest(
    payloadOf(
      indexJson({
        manifests: [
          ...(indexJson().manifests as []),
          descriptorOf('no platform', { mediaType: MediaType.ociManifest }),
        ],
      }),
    ),
  ).references()
  const list = (os: string, architecture: string) => ({ list: [{ os, architecture }] })

  it.each([
    ['all', 'all', [true, true, true]],
    ['none', 'none', [false, false, false]],
    ['one', list('linux', 'arm64'), [false, true, false]],
    ['one of another system', list('windows', 'amd64'), [false, false, false]],
    ['an empty list, which is all', { list: [] }, [true, true, true]],
  ] as const)('of an index is what the platforms say: %s', (_, platforms, expected) => {
    const policy = { ...DEFAULT_POLICY, platforms }
    expect([amd64!, arm64!, unnamed!].map((reference) => mustExist(reference, policy))).toEqual(expected)
  })

  it('of an image is its config and the layers that are distributed, whatever the platforms say', () => {
    const image = withLayers([
      descriptorOf('plain'),
      descriptorOf('foreign', { mediaType: DOCKER_FOREIGN_LAYER, urls: ['https://a.example'] }),
    ])
    for (const policy of [DEFAULT_POLICY, NO_VALIDATION, { ...DEFAULT_POLICY, platforms: list('a', 'b') }]) {
      expect(image.references().map((reference) => mustExist(reference, policy))).toEqual([true, true, false])
    }
  })
})
