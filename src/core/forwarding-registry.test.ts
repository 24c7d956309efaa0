import { describe, expect, test } from 'vitest'
import {
  ForwardingBlobs,
  ForwardingManifests,
  ForwardingRegistry,
  ForwardingRepository,
  ForwardingTags,
} from './forwarding-registry.ts'

type Methods = Record<string, (...given: unknown[]) => unknown>

/** Answers every call, and records it. */
function recorder() {
  const calls: unknown[][] = []
  const behind = new Proxy(
    {},
    {
      get:
        (_, method) =>
        (...given: unknown[]) => {
          calls.push([method, ...given])
          return 'the answer'
        },
    },
  )
  return { behind: behind as never, calls }
}

const bases = [ForwardingRegistry, ForwardingRepository, ForwardingBlobs, ForwardingManifests, ForwardingTags]

describe.each(bases.map((base) => [base.name, base] as const))('%s', (_, Base) => {
  const descriptors = Object.entries(Object.getOwnPropertyDescriptors(Base.prototype))
  const methods = descriptors.filter(([name, { value }]) => value !== undefined && name !== 'constructor')

  test.each(methods.map(([name]) => name))(
    '%s reaches what is behind it with all that was given, and its answer comes back',
    (method) => {
      const { behind, calls } = recorder()
      const forwarding = new Base(behind) as unknown as Methods
      const given = [{ one: 1 }, { two: 2 }, { three: 3 }].slice(0, forwarding[method]!.length)
      expect(forwarding[method]!(...given)).toBe('the answer')
      expect(calls).toEqual([[method, ...given]])
    },
  )
})

test('a repository has the name and the services of the one behind it', () => {
  const behind = { name: 'a', blobs: {}, manifests: {}, tags: {}, signatures: {}, mirrored: {} }
  const forwarding = new ForwardingRepository(behind as never)
  for (const [part, value] of Object.entries(behind))
    expect(forwarding[part as keyof typeof behind]).toBe(value)
})
