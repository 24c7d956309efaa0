import { describe, expect, it } from 'vitest'
import { BlobNames } from './names.ts'

describe('the names of blobs', () => {
  it.each([
    ['', false, 'docker/registry/v2'],
    ['/', false, 'docker/registry/v2'],
    ['opt', false, 'opt/docker/registry/v2'],
    ['/opt////', false, 'opt/docker/registry/v2'],
    ['a/b/c/', false, 'a/b/c/docker/registry/v2'],
    ['', true, '/docker/registry/v2'],
    ['/', true, '/docker/registry/v2'],
    ['/opt/', true, '/opt/docker/registry/v2'],
  ])('with the root %j (legacy: %s) are those of Distribution', (rootdirectory, legacyrootprefix, name) => {
    const names = new BlobNames({ rootdirectory, legacyrootprefix })
    expect(names.of('/docker/registry/v2')).toBe(name)
    expect(names.below('/docker/registry/v2')).toBe(`${name}/`)
    expect(names.below('/')).toBe(name.slice(0, -'docker/registry/v2'.length))
  })

  it('are no longer than the service takes', () => {
    const names = new BlobNames({ rootdirectory: 'root', legacyrootprefix: false })
    const longest = `/${'n'.repeat(1024 - 'root/'.length)}`
    expect(names.of(longest)).toHaveLength(1024)
    expect(() => names.of(`${longest}n`)).toThrow(expect.objectContaining({ code: 'PATH_INVALID' }))
  })
})
