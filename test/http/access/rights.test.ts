/** What rights reach, and where attackers look for a way around them: mounts, uploads, lists, tags. `alice` may pull and
 *  push `a`; `bob` owns `b`. */
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { parseRepositoryName } from '../../../src/core/reference.ts'
import { FilesystemDriver } from '../../../src/storage/filesystem.ts'
import { bearer, GuardedRegistry, issuerSettings, rule } from '../../support/access.ts'
import { refusal } from '../../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../../support/manifest-json.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const rules = [
  rule('a', 'alice', 'pull', 'push'),
  rule('b', 'bob', '*'),
  rule('shared', 'alice bob', 'pull', 'push'),
  rule('retagged', 'bob', '*'),
  rule('retagged', 'alice', 'pull', 'tag'),
]

function start(options: object = {}): Promise<GuardedRegistry> {
  return GuardedRegistry.start({ users: ['alice', 'bob'], auth: { rules }, ...options })
}

const uploads = (repository: string) => `/v2/${repository}/blobs/uploads/`

describe('a blob of another’s repository', () => {
  test('is not mounted by its name, and does not become visible', async () => {
    await using guarded = await start()
    const digest = await guarded.pushBlob('b', 'of bob', 'bob')
    for (const query of [`mount=${digest}&from=b`, `mount=${digest}`]) {
      expect((await guarded.send(`POST ${uploads('a')}?${query}`, 'alice')).status).toBe(202)
    }
    expect((await guarded.send(`HEAD /v2/a/blobs/${digest}`, 'alice')).status).toBe(404)
  })

  test('is mounted by whoever may pull it there', async () => {
    await using guarded = await start()
    const digest = await guarded.pushBlob('b', 'of bob', 'bob')
    expect((await guarded.send(`POST ${uploads('shared')}?mount=${digest}`, 'bob')).status).toBe(201)
    expect((await guarded.send(`POST ${uploads('a')}?mount=${digest}&from=shared`, 'alice')).status).toBe(201)
  })

  test('is searched for only where one may pull, though it be found elsewhere first', async () => {
    await using guarded = await start()
    const digest = await guarded.pushBlob('b', 'in two places', 'bob')
    await guarded.pushBlob('shared', 'in two places', 'bob')
    expect((await guarded.send(`POST ${uploads('a')}?mount=${digest}`, 'alice')).status).toBe(201)
  })

  test('is not mounted with a token that does not list where it is', async () => {
    await using folder = await temporaryFolder()
    await using guarded = await start({ auth: { rules, issuer: issuerSettings(folder.path) } })
    const digest = await guarded.pushBlob('shared', 'of both', 'bob')
    const narrow = bearer(await guarded.token('alice', 'repository:a:pull,push'))
    const request = `POST ${uploads('a')}?mount=${digest}&from=shared`
    expect((await guarded.registry.send(request, { headers: narrow })).status).toBe(202)
    const wide = bearer(await guarded.token('alice', 'repository:a:pull,push', 'repository:shared:pull'))
    expect((await guarded.registry.send(request, { headers: wide })).status).toBe(201)
  })

  test('stays deleted in one repository while it is pulled from another', async () => {
    await using guarded = await start()
    const digest = await guarded.pushBlob('b', 'of both', 'bob')
    await guarded.pushBlob('shared', 'of both', 'bob')
    expect((await guarded.send(`DELETE /v2/b/blobs/${digest}`, 'bob')).status).toBe(202)
    expect((await guarded.send(`GET /v2/shared/blobs/${digest}`, 'alice')).status).toBe(200)
    expect((await guarded.send(`GET /v2/b/blobs/${digest}`, 'bob')).status).toBe(404)
  })
})

describe('an upload', () => {
  const chunk = { body: 'bytes', headers: { 'content-type': 'application/octet-stream' } }

  async function expectStranger(guarded: GuardedRegistry, location: string, stranger: string | undefined) {
    const digest = digestOf(Buffer.from('bytes'))
    for (const request of [
      `GET ${location}`,
      `HEAD ${location}`,
      `PATCH ${location}`,
      `PUT ${location}?digest=${digest}`,
      `DELETE ${location}`,
    ]) {
      const answer = await guarded.send(request, stranger, request.startsWith('P') ? chunk : {})
      expect([request, answer.status]).toEqual([request, 404])
    }
  }

  test('belongs to who began it', async () => {
    await using guarded = await start()
    const location = (await guarded.send(`POST ${uploads('shared')}`, 'alice')).headers.location!
    expect((await guarded.send(`PATCH ${location}`, 'alice', chunk)).status).toBe(202)
    await expectStranger(guarded, location, 'bob')
    const digest = digestOf(Buffer.from('bytes'))
    expect((await guarded.send(`PUT ${location}?digest=${digest}`, 'alice')).status).toBe(201)
  })

  test('and to nobody who has no name', async () => {
    await using guarded = await start({
      auth: { rules: [rule('shared', 'alice', '*'), rule('shared', 'anonymous', '*')] },
    })
    const location = (await guarded.send(`POST ${uploads('shared')}`, 'alice')).headers.location!
    await expectStranger(guarded, location, undefined)
  })

  test('is of its repository, whoever asks', async () => {
    await using guarded = await start()
    const location = (await guarded.send(`POST ${uploads('shared')}`, 'alice')).headers.location!
    await expectStranger(guarded, location.replace('/shared/', '/a/'), 'alice')
  })

  test('is the same owner’s after a restart, with a token as with a password, and on another replica', async () => {
    await using folder = await temporaryFolder()
    const driver = await FilesystemDriver.open({ root: folder.path })
    const auth = { rules, issuer: issuerSettings(folder.path) }
    let location: string
    {
      await using first = await start({ driver, auth })
      location = (await first.send(`POST ${uploads('shared')}`, 'alice')).headers.location!
      expect((await first.send(`PATCH ${location}`, 'alice', chunk)).status).toBe(202)
    }
    await using second = await start({ driver: await FilesystemDriver.open({ root: folder.path }), auth })
    await expectStranger(second, location, 'bob')
    const headers = bearer(await second.token('alice', 'repository:shared:pull,push'))
    const digest = digestOf(Buffer.from('bytes'))
    expect((await second.registry.send(`PUT ${location}?digest=${digest}`, { headers })).status).toBe(201)
  })

  test('that was begun before there was access control can be finished', async () => {
    await using guarded = await start()
    const upload = await guarded.registry.registry.repository(parseRepositoryName('a')).blobs.createUpload()
    const location = `${uploads('a')}${upload.id}`
    expect((await guarded.send(`PATCH ${location}`, 'alice', chunk)).status).toBe(202)
  })
})

describe('the catalog', () => {
  async function withMany(): Promise<GuardedRegistry> {
    const guarded = await start({
      auth: {
        rules: [rule('open/**', 'anonymous', 'pull'), rule('a*', 'alice', '*'), rule('**', 'bob', '*')],
      },
    })
    for (const name of ['a0', 'b0', 'a1', 'b1', 'b2', 'a2', 'open/x'])
      await guarded.pushBlob(name, name, 'bob')
    return guarded
  }

  const namesOf = async (guarded: GuardedRegistry, query: string, as?: string) => {
    const answer = await guarded.send(`GET /v2/_catalog${query}`, as)
    return { names: JSON.parse(answer.body.toString()).repositories, link: answer.headers.link }
  }

  test('shows what one may pull, and nothing else', async () => {
    await using guarded = await withMany()
    expect(await namesOf(guarded, '', 'alice')).toEqual({
      names: ['a0', 'a1', 'a2', 'open/x'],
      link: undefined,
    })
    expect((await namesOf(guarded, '', 'bob')).names).toHaveLength(7)
    expect((await namesOf(guarded, '')).names).toEqual(['open/x'])
  })

  test('is divided into pages after that', async () => {
    await using guarded = await withMany()
    const first = await namesOf(guarded, '?n=2', 'alice')
    expect(first).toEqual({ names: ['a0', 'a1'], link: '</v2/_catalog?last=a1&n=2>; rel="next"' })
    const second = await namesOf(guarded, '?n=2&last=a1', 'alice')
    expect(second).toEqual({ names: ['a2', 'open/x'], link: undefined })
    expect((await namesOf(guarded, '?n=100&last=b0', 'alice')).names).toEqual(['open/x'])
  })

  test('is shown by a token that lists it, as far as its holder may pull', async () => {
    await using folder = await temporaryFolder()
    await using guarded = await start({ auth: { rules, issuer: issuerSettings(folder.path) } })
    await guarded.pushBlob('b', 'x', 'bob')
    await guarded.pushBlob('shared', 'x', 'bob')
    const headers = bearer(await guarded.token('alice', 'registry:catalog:*'))
    const answer = await guarded.registry.send('GET /v2/_catalog', { headers })
    expect(JSON.parse(answer.body.toString())).toEqual({ repositories: ['shared'] })
  })
})

test('another’s repository looks the same whether it is there or not', async () => {
  await using guarded = await start()
  await guarded.pushBlob('b', 'x', 'bob')
  const there = await guarded.send('GET /v2/b/tags/list', 'alice')
  const absent = await guarded.send('GET /v2/c/tags/list', 'alice')
  expect(refusal(there)).toBe('403 DENIED')
  expect(there.body.toString().replaceAll('"b"', '"c"')).toBe(absent.body.toString())
})

describe('the right to set tags', () => {
  async function withImage() {
    const guarded = await start()
    for (const blob of ['config', 'layer one', 'layer two']) await guarded.pushBlob('retagged', blob, 'bob')
    const image = payloadOf(imageJson())
    const headers = { 'content-type': MediaType.ociManifest }
    const put = (reference: string, as: string, body = image) =>
      guarded.send(`PUT /v2/retagged/manifests/${reference}`, as, { body, headers })
    return {
      guarded,
      image,
      digest: digestOf(image),
      put,
      [Symbol.asyncDispose]: () => guarded[Symbol.asyncDispose](),
    }
  }

  test('lets one name what is there, by any way to set a tag', async () => {
    await using setting = await withImage()
    const { guarded, digest, put } = setting
    expect((await put('v1', 'bob')).status).toBe(201)
    expect((await put('stable', 'alice')).status).toBe(201)
    expect((await put(`${digest}?tag=latest&tag=v1.0`, 'alice')).status).toBe(201)
    const tags = JSON.parse((await guarded.send('GET /v2/retagged/tags/list', 'alice')).body.toString()).tags
    expect(tags).toEqual(['latest', 'stable', 'v1', 'v1.0'])
  })

  test('does not let one push', async () => {
    await using setting = await withImage()
    const { guarded, put } = setting
    expect(refusal(await put('v1', 'alice'))).toBe('403 DENIED')
    const other = payloadOf(imageJson({ layers: [descriptorOf('layer one')] }))
    expect(refusal(await put('v1', 'alice', other))).toBe('403 DENIED')
    expect((await guarded.send(`POST ${uploads('retagged')}`, 'alice')).status).toBe(403)
    expect((await guarded.send('GET /v2/retagged/manifests/v1', 'alice')).status).toBe(404)
  })

  test('does not let one remove a tag', async () => {
    await using setting = await withImage()
    await setting.put('v1', 'bob')
    expect((await setting.guarded.send('DELETE /v2/retagged/manifests/v1', 'alice')).status).toBe(403)
  })

  test('is all that a token lists for whoever asks to push and may not', async () => {
    await using folder = await temporaryFolder()
    await using guarded = await start({ auth: { rules, issuer: issuerSettings(folder.path) } })
    const token = await guarded.token('alice', 'repository:retagged:pull,push')
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    expect(claims.access).toEqual([{ type: 'repository', name: 'retagged', actions: ['pull', 'tag'] }])
  })
})

test('rules that are replaced count from the next request on', async () => {
  await using guarded = await start()
  await guarded.pushBlob('b', 'x', 'bob')
  expect((await guarded.send('GET /v2/b/tags/list', 'alice')).status).toBe(403)
  guarded.registry.access!.replaceRules({
    rules: [rule('b', 'group:team', 'pull')],
    groups: { team: ['alice'] },
  })
  expect((await guarded.send('GET /v2/b/tags/list', 'alice')).status).toBe(200)
  expect((await guarded.send('GET /v2/b/tags/list', 'bob')).status).toBe(403)
})
