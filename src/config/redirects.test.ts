/** The section `storage.redirect`, and `middleware.storage`. */
import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './load.ts'

function load(text: string, env: Record<string, string> = {}) {
  const storage = /^storage:/m.test(text) ? '' : 'storage: inmemory\n'
  return loadConfig({ path: 'config.yml', env, readFile: () => `version: 0.1\n${storage}${text}` }).config
}

function problemsOf(text: string): Record<string, string> {
  try {
    load(text)
  } catch (error) {
    if (error instanceof ConfigError)
      return Object.fromEntries(error.problems.map(({ path, message }) => [path, message]))
    throw error
  }
  return {}
}

function middlewares(...entries: object[]): string {
  return `middleware: {storage: ${JSON.stringify(entries)}}`
}

const optionsPath = 'middleware.storage[0].options'
const needed = { baseurl: 'https://a.cloudfront.net', privatekey: '/key.pem', keypairid: 'K1' }

test('addresses and user agents may be excepted from redirects', () => {
  const except = '{addresses: [10.0.0.0/8, fd00::/8, 192.0.2.7], useragents: [containerd/*]}'
  expect(load(`storage: {inmemory: , redirect: {except: ${except}}}`).storage.redirect).toEqual({
    disable: false,
    except: { addresses: ['10.0.0.0/8', 'fd00::/8', '192.0.2.7'], useragents: ['containerd/*'] },
  })
  const env = { REGISTRY_STORAGE_REDIRECT_EXCEPT_ADDRESSES: '[10.0.0.1]' }
  expect(load('', env).storage.redirect.except.addresses).toEqual(['10.0.0.1'])
})

test('an address that is none is an error, with its place', () => {
  const addresses = ['10.0.0.0/33', 'example.com', 'fd00::/8']
  const problems = problemsOf(`storage: {inmemory: , redirect: {except: {addresses: [${addresses}]}}}`)
  expect(problems).toEqual({
    'storage.redirect.except.addresses[0]': expect.stringContaining('CIDR range'),
    'storage.redirect.except.addresses[1]': expect.stringContaining('CIDR range'),
  })
})

test('a middleware has its options with their defaults, in the order they are written', () => {
  const { storage } = load(
    middlewares(
      { name: 'rewrite', options: { host: 'cdn.example.com:8443' } },
      { name: 'unheard-of', disabled: true, options: { foo: 1 } },
      { name: 'redirect', options: { baseurl: 'https://cdn.example.com/a' } },
    ),
  ).middleware
  expect(storage).toEqual([
    {
      name: 'rewrite',
      disabled: false,
      options: { scheme: '', host: 'cdn.example.com:8443', trimpathprefix: '' },
    },
    { name: 'unheard-of', disabled: true },
    { name: 'redirect', disabled: false, options: { baseurl: 'https://cdn.example.com/a' } },
  ])
})

test('cloudfront has its options over a bucket, with or without a scheme, in the spelling of an early release too', () => {
  const options = {
    ...needed,
    baseurl: 'a.cloudfront.net',
    updatefrenquency: '1h',
    awsregion: 'us-east-1, EU-west-1',
  }
  const text = `storage: {s3: {region: a, bucket: a}}\n${middlewares({ name: 'cloudfront', options })}`
  expect(load(text).middleware.storage).toEqual([
    {
      name: 'cloudfront',
      disabled: false,
      options: {
        ...needed,
        duration: 1_200_000,
        ipfilteredby: 'none',
        regions: ['us-east-1', 'eu-west-1'],
        updatefrequency: 3_600_000,
        iprangesurl: 'https://ip-ranges.amazonaws.com/ip-ranges.json',
      },
    },
  ])
})

test.each([
  ['redirect', {}, 'baseurl'],
  ['redirect', { baseurl: 'cdn.example.com' }, 'baseurl'],
  ['rewrite', { scheme: 'ftp' }, 'scheme'],
  ['rewrite', { host: 'https://cdn.example.com' }, 'host'],
  ['rewrite', { host: 'cdn.example.com/path' }, 'host'],
  ['rewrite', { path: '/a' }, 'path'],
  ['cloudfront', { ...needed, baseurl: 'ftp://a' }, 'baseurl'],
  ['cloudfront', { ...needed, privatekey: '' }, 'privatekey'],
  ['cloudfront', { ...needed, keypairid: '' }, 'keypairid'],
  ['cloudfront', { ...needed, duration: 'long' }, 'duration'],
  ['cloudfront', { ...needed, ipfilteredby: 'azure' }, 'ipfilteredby'],
  ['cloudfront', { ...needed, ipfilteredby: 'awsregion', awsregion: ' , ' }, 'awsregion'],
  ['cloudfront', { ...needed, updatefrequency: '0s' }, 'updatefrequency'],
  ['cloudfront', { ...needed, iprangesurl: 'file:///ranges.json' }, 'iprangesurl'],
])('%s with %j is an error, with its path', (name, options, key) => {
  expect(Object.keys(problemsOf(middlewares({ name, options })))).toEqual([`${optionsPath}.${key}`])
})

test('a middleware that nobody knows is an error', () => {
  expect(problemsOf(middlewares({ name: 'own' }))).toEqual({
    'middleware.storage[0].name': expect.stringContaining('accepted: cloudfront, redirect, rewrite'),
  })
})

test.each(['inmemory: ', 'filesystem: {rootdirectory: /a}'])('cloudfront is not taken over %s', (driver) => {
  const disabled = { name: 'cloudfront', disabled: true, options: {} }
  const text = `storage: {${driver}}\n${middlewares(disabled, { name: 'cloudfront', options: needed })}`
  expect(problemsOf(text)).toEqual({
    'middleware.storage[1].name': expect.stringContaining('with storage.s3 only'),
  })
})
