/** The section `storage.s3`: its forms, and which keys exclude each other. */
import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './load.ts'

function load(s3: string) {
  const text = `version: 0.1\nstorage: {s3: {bucket: images, ${s3}}}`
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => text }).config.storage.s3
}

function problemsOf(s3: string): Record<string, string> {
  try {
    load(s3)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return Object.fromEntries(
      error.problems.map(({ path, message }) => [path.replace('storage.s3.', ''), message]),
    )
  }
  return {}
}

const keys = 'accesskey: a, secretkey: b'

test('a region is enough: credentials are then those of the machine', () => {
  expect(load('region: eu-central-1')).toMatchObject({
    region: 'eu-central-1',
    accesskey: '',
    chunksize: 10 * 1024 ** 2,
    storageclass: 'STANDARD',
    objectacl: 'private',
    secure: true,
  })
})

test.each([
  ['region: a', 'eu-central-1'],
  [`${keys}, regionendpoint: "http://127.0.0.1:9000"`, ''],
  [`${keys}, regionendpoint: "minio:9000", secure: false`, ''],
  ['region: a, encrypt: true, keyid: key', ''],
  ['region: a, storageclass: standard_ia', ''],
  ['region: a, objectacl: bucket-owner-full-control', ''],
])('%s is taken', (s3) => {
  expect(problemsOf(s3)).toEqual({})
})

test.each([
  ['', 'region', /region such as us-east-1/],
  ['region: a, accesskey: a', 'secretkey', /belongs to accesskey/],
  ['region: a, secretkey: b', 'accesskey', /secretkey belongs to/],
  ['region: a, v4auth: false', 'v4auth', /version 4/],
  ['region: a, keyid: k', 'keyid', /encrypt/],
  ['region: a, accelerate: true, forcepathstyle: true', 'accelerate', /regionendpoint/],
  ['region: a, storageclass: GLACIER', 'storageclass', /STANDARD_IA/],
  ['region: a, objectacl: everybody', 'objectacl', /public-read/],
  ['regionendpoint: "http://a b"', 'regionendpoint', /https:\/\/s3.example.com/],
  ['region: a, chunksize: 1MiB', 'chunksize', /at least 5MiB/],
])('%s is refused, with what is accepted', (s3, path, message) => {
  const problems = problemsOf(s3)
  expect(Object.keys(problems)).toEqual([path])
  expect(problems[path]).toMatch(message)
})
