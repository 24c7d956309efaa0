import { describe, expect, test } from 'vitest'
import { collectAll, expectStorageError } from '../../../test/contract/storage-driver/support.ts'
import { FaultyProxy, type StoreRequest } from '../../../test/support/faulty-proxy.ts'
import { MIB, S3Replicas, s3ServerForTests, s3Settings, skipReason } from '../../../test/support/s3-driver.ts'
import { s3Operation } from '../../../test/support/s3-operation.ts'
import type { S3Settings } from './settings.ts'

describe.skipIf(skipReason('versitygw'))(`what is configured${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')
  const place = (settings: Partial<S3Settings> = {}, options = {}) =>
    S3Replicas.start(s3Settings(server(), settings), options)

  test('which conditions the store honours is found out and told, and leaves nothing', async () => {
    await using replicas = await place()
    const driver = await replicas.open()
    const line = await replicas.logged.until('conditional writes')
    expect(JSON.parse(line)).toMatchObject({
      ...{ createOnly: true, replaceOnly: true, completeOnly: true },
      ...{ copyCreateOnly: false, copySourceOnly: true },
    })
    await expectStorageError(driver.stat('/probe'), 'PATH_NOT_FOUND')
    expect(await filesAt(replicas)).toEqual([])
    expect(await collectAll(driver.incompleteUploads())).toEqual([])
  })

  test('where nothing may be written, nothing is', async () => {
    await using proxy = await FaultyProxy.start(server().endpoint)
    await using replicas = await place({ regionendpoint: proxy.endpoint }, { readOnly: true })
    await replicas.open()
    expect(proxy.requests.map(s3Operation)).toEqual(['ListObjectsV2'])
  })

  test.each([
    [{ bucket: 'absent' }, /the bucket absent can't be used: NoSuchBucket \(404\)/],
    [{ secretkey: 'wrong' }, /can't be used: SignatureDoesNotMatch \(403\)/],
    [{ regionendpoint: 'http://127.0.0.1:1' }, /can't be used: .*ECONNREFUSED/],
  ])('%j says at the start what is wrong', async (settings, message) => {
    await using replicas = await place()
    await expect(replicas.open(settings)).rejects.toThrow(message)
  })

  test('everything that becomes an object is sent with its encryption, class and rights, and the program that sends', async () => {
    await using proxy = await FaultyProxy.start(server().endpoint)
    await using replicas = await place({
      regionendpoint: proxy.endpoint,
      encrypt: true,
      keyid: 'a-key',
      storageclass: 'STANDARD_IA',
      objectacl: 'bucket-owner-full-control',
      useragent: 'example/1',
      multipartcopythresholdsize: 6 * MIB,
    })
    const driver = await replicas.open()
    proxy.forget()
    await driver.put('/small', Buffer.from('content'))
    await driver.move('/small', '/moved')
    const writer = await driver.append('/large', { offset: 0 })
    await writer.write(Buffer.alloc(12 * MIB))
    await writer.sync()
    await writer.close()
    await driver.move('/large', '/copied')
    const making = proxy.requests.filter((asked) =>
      ['PutObject', 'CopyObject', 'CreateMultipartUpload'].includes(s3Operation(asked)),
    )
    expect(new Set(making.map(s3Operation)).size).toBe(3)
    for (const { headers } of making) {
      expect(headers).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'a-key',
        'x-amz-storage-class': 'STANDARD_IA',
        'x-amz-acl': 'bucket-owner-full-control',
      })
    }
    for (const { headers } of proxy.requests) expect(headers['user-agent']).toContain('example/1')
  })

  test('what is a bucket’s default anyhow is not sent', async () => {
    await using proxy = await FaultyProxy.start(server().endpoint)
    await using replicas = await place({ regionendpoint: proxy.endpoint })
    await (await replicas.open()).put('/file', Buffer.from('content'))
    const names = proxy.requests.flatMap(({ headers }: StoreRequest) => Object.keys(headers))
    expect(names.filter((name) => /acl|storage-class|encryption/.test(name))).toEqual([])
  })

  test('the requests are told where that is asked for, without what is in them', async () => {
    await using replicas = await place({ loglevel: 'debug' })
    await (await replicas.open()).put('/file', Buffer.from('secret content'))
    expect(await replicas.logged.until('PutObjectCommand')).toContain('S3 request')
    expect(replicas.logged.lines.join('\n')).not.toContain('secret content')
    expect(replicas.logged.lines.join('\n')).not.toContain(replicas.settings.secretkey)
  })

  test('clients are sent to another endpoint than the registry’s own', async () => {
    await using replicas = await place({ redirectendpoint: 'https://s3.example.com' })
    const url = await (await replicas.open()).redirectUrl('/a/file')
    expect(url?.origin).toBe('https://s3.example.com')
    expect(url?.pathname).toBe(`/${replicas.settings.bucket}/${replicas.settings.rootdirectory}/a/file`)
    expect(url?.searchParams.get('X-Amz-Expires')).toBe('1200')
  })

  test('the root directory may be written with slashes around it, or be none', async () => {
    await using replicas = await place({ rootdirectory: '/some/root/' })
    await (await replicas.open()).put('/a/file', Buffer.from('content'))
    const whole = await replicas.open({ rootdirectory: '' })
    expect(Buffer.from(await whole.get('/some/root/a/file')).toString()).toBe('content')
  })
})

async function filesAt(replicas: S3Replicas): Promise<string[]> {
  const above = await replicas.open({ rootdirectory: '' })
  const names: string[] = []
  for await (const { name } of above.list(`/${replicas.settings.rootdirectory}`)) names.push(name)
  return names
}
