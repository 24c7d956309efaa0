import { gzippedLayer, type Image, type ImageIndex, imageOf, indexOf } from '../../support/oci-image.ts'
import { seededRandom } from '../../support/random.ts'

/** An image of four layers, of which the first is the same for every name. */
export function sampleImage(name: string, architecture = 'amd64'): Image {
  const random = seededRandom(`${name} ${architecture}`)
  const layers = [
    gzippedLayer([
      { path: 'etc/' },
      { path: 'etc/os-release', content: 'ID=sample\n' },
      { path: 'bin/' },
      { path: 'bin/true', content: '#!/bin/sh\n', mode: 0o755 },
    ]),
    gzippedLayer([{ path: 'usr/' }, { path: 'usr/name', content: name }]),
    gzippedLayer([{ path: 'usr/random', content: random.bytes(300_000) }]),
    gzippedLayer([{ path: 'usr/empty' }, { path: 'usr/text', content: `${architecture}\n`.repeat(20_000) }]),
  ]
  return imageOf(layers, { os: 'linux', architecture })
}

/** The same for two platforms. */
export function sampleIndex(name: string): ImageIndex {
  const variants = ['amd64', 'arm64'].map((architecture) => ({
    image: sampleImage(name, architecture),
    platform: { os: 'linux', architecture },
  }))
  return indexOf(variants)
}
