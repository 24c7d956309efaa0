import { readFileSync } from 'node:fs'
import { beforeEach, expect, test } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import type { Repository } from '../../src/core/registry.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { expectRegistryError, pushManifest } from '../contract/registry/support.ts'
import { quiet } from '../support/http-registry.ts'
import { ProtectedTagsRegistry } from './protected-tags.ts'

const release = parseTag('v1.0')
const latest = parseTag('latest')

let repository: Repository

beforeEach(() => {
  const stored = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: quiet })
  const registry = new ProtectedTagsRegistry(stored, /^v\d/)
  repository = registry.repository(parseRepositoryName('a'))
})

async function push(name: string): Promise<Descriptor> {
  return (await repository.manifests.get(await pushManifest(repository, name))).descriptor
}

test('a protected tag is set once, and stays', async () => {
  const [first, second] = [await push('first'), await push('second')]
  await repository.tags.tag(release, first)
  await repository.tags.tag(release, first)
  await expectRegistryError(repository.tags.tag(release, second), 'DENIED')
  await expectRegistryError(repository.tags.untag(release), 'DENIED')
  await expectRegistryError(repository.manifests.delete(first.digest), 'DENIED')
  expect(await repository.tags.get(release)).toBe(first.digest)
})

test('any other tag moves and goes', async () => {
  const [first, second] = [await push('first'), await push('second')]
  await repository.tags.tag(latest, first)
  await repository.tags.tag(latest, second)
  await repository.tags.untag(latest)
  await repository.manifests.delete(first.digest)
  await expectRegistryError(repository.manifests.get(first.digest), 'MANIFEST_UNKNOWN')
  await expectRegistryError(repository.manifests.delete(digestOf(Buffer.of())), 'MANIFEST_UNKNOWN')
})

test('the page shows this code', () => {
  const page = readFileSync(new URL('../../docs/adding-an-extension.md', import.meta.url), 'utf8')
  const code = readFileSync(new URL('./protected-tags.ts', import.meta.url), 'utf8')
  expect(page).toContain(`\`\`\`ts\n${code.replaceAll('../../src/', '../')}\`\`\``)
})
