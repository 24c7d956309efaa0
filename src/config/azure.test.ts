/** The section `storage.azure`: its forms, and which keys exclude each other. */
import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './load.ts'

function load(azure: string) {
  const text = `version: 0.1\nstorage: {azure: {container: images, ${azure}}}`
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => text }).config.storage.azure
}

function problemsOf(azure: string): Record<string, string> {
  try {
    load(azure)
  } catch (error) {
    if (error instanceof ConfigError)
      return Object.fromEntries(
        error.problems.map(({ path, message }) => [path.replace('storage.azure.', ''), message]),
      )
    throw error
  }
  return {}
}

const key = 'accountname: a, accountkey: c2VjcmV0'
const application = 'credentials: {type: client_secret, clientid: id, tenantid: tenant, secret: hunter2}'
const connection =
  'connectionstring: "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"'

test('the defaults of what is there', () => {
  expect(load(key)).toEqual({
    accountname: 'a',
    accountkey: 'c2VjcmV0',
    container: 'images',
    realm: 'core.windows.net',
    rootdirectory: '',
    trimlegacyrootprefix: false,
    legacyrootprefix: false,
    serviceurl: '',
    connectionstring: '',
    copy_status_poll_max_retry: 5,
    copy_status_poll_delay: 100,
    credentials: { type: undefined, clientid: '', tenantid: '', secret: '' },
    skipverify: false,
    max_retries: 5,
    retry_delay: 100,
  })
})

test.each([
  [key],
  [`${key}, credentials: {type: shared_key}`],
  [`${key}, serviceurl: "http://127.0.0.1:10000/a"`],
  [`${key}, legacyrootprefix: true`],
  [`${key}, trimlegacyrootprefix: true, legacyrootprefix: false`],
  [`accountname: a, ${application}`],
  ['accountname: a, credentials: {type: default_credentials}'],
  ['accountname: a, serviceurl: https://a.example.com, credentials: {type: default_credentials}'],
  [connection],
  [`accountname: a, ${connection}`],
  ['connectionstring: "BlobEndpoint=https://a;SharedAccessSignature=sv=1&sig=2"'],
])('is enough: %s', (azure) => {
  expect(problemsOf(azure)).toEqual({})
})

test.each([
  ['accountkey: c2VjcmV0', ['accountname']],
  ['accountname: a', ['credentials.type']],
  ['accountname: a, credentials: {type: shared_key}', ['accountkey']],
  ['accountname: a, accountkey: hunter2', ['accountkey']],
  [
    'accountname: a, credentials: {type: client_secret}',
    ['credentials.clientid', 'credentials.tenantid', 'credentials.secret'],
  ],
  [`${key}, ${application}`, ['accountkey']],
  [`${key}, credentials: {secret: hunter2}`, ['credentials.secret']],
  ['accountname: a, credentials: {type: default_credentials, clientid: id}', ['credentials.clientid']],
  [`${key}, ${connection}`, ['connectionstring']],
  [`${connection}, serviceurl: https://a.example.com`, ['connectionstring']],
  [`${connection}, credentials: {type: default_credentials}`, ['connectionstring']],
  [`accountname: b, ${connection}`, ['accountname']],
  ['connectionstring: hunter2', ['connectionstring']],
  [`${key}, serviceurl: a.example.com`, ['serviceurl']],
  [`accountname: a, serviceurl: "http://a.example.com", ${application}`, ['serviceurl']],
  [`${key}, legacyrootprefix: true, trimlegacyrootprefix: true`, ['legacyrootprefix']],
])('is refused, and says of which key: %s', (azure, paths) => {
  const problems = problemsOf(azure)
  expect(Object.keys(problems)).toEqual(paths)
  expect(JSON.stringify(problems)).not.toContain('hunter2')
  for (const message of Object.values(problems)) expect(message).toMatch(/^found .*; accepted: /)
})

test('the container is asked for', () => {
  const text = `version: 0.1\nstorage: {azure: {${key}}}`
  const loading = () => loadConfig({ path: 'config.yml', env: {}, readFile: () => text })
  expect(loading).toThrow('storage.azure.container: found nothing; accepted: the name of a container')
})
