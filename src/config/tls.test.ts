import { expect, test } from 'vitest'
import { CIPHER_SUITES } from './cipher-suites.ts'
import { ConfigError, loadConfig } from './load.ts'

function load(tls: object) {
  const text = JSON.stringify({ version: '0.1', storage: { inmemory: {} }, http: { tls } })
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => text }).config.http.tls
}

function problemsOf(tls: object): string[] {
  try {
    load(tls)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`)
    throw error
  }
  return []
}

const files = { certificate: '/c.pem', key: '/k.pem' }
const letsencrypt = { cachefile: '/cache', email: 'me@example.com', hosts: ['registry.example.com'] }

test.each([
  {},
  files,
  { letsencrypt },
  { minimumtls: 'tls1.3' },
  { ...files, clientcas: ['/ca.pem'] },
  { ...files, clientcas: ['/ca.pem'], clientauth: 'verify-client-cert-if-given' },
  { ...files, clientauth: 'request-client-cert' },
  { ...files, clientauth: 'require-any-client-cert' },
  { ...files, letsencrypt: { directoryurl: 'https://acme.example.com/directory' } },
  { letsencrypt, clientcas: ['/ca.pem'] },
])('%j is taken', (tls) => {
  expect(problemsOf(tls)).toEqual([])
})

test.each([
  [{ certificate: '/c.pem' }, /^http\.tls\.key: found nothing; accepted: the file of the key/],
  [{ key: '/k.pem' }, /^http\.tls\.certificate: found nothing; accepted: the file of the certificate/],
  [{ clientcas: ['/ca.pem'] }, /^http\.tls\.certificate: .*no effect without TLS/],
  [{ ...files, clientauth: 'verify-client-cert-if-given' }, /^http\.tls\.clientcas: /],
  [{ ...files, clientauth: 'require-and-verify-client-cert' }, /^http\.tls\.clientcas: /],
  [{ ...files, clientauth: 'never' }, /^http\.tls\.clientauth: .*require-any-client-cert/],
  [{ ...files, letsencrypt }, /^http\.tls\.letsencrypt: .*nothing where http\.tls\.certificate is set/],
  [{ letsencrypt: { hosts: ['a.example.com'] } }, /^http\.tls\.letsencrypt\.cachefile: /],
  [{ letsencrypt: { email: 'me@example.com' } }, /^http\.tls\.letsencrypt\.cachefile: /],
  [{ letsencrypt: { cachefile: '/cache' } }, /^http\.tls\.letsencrypt\.hosts: .*host names/],
  [{ letsencrypt: { ...letsencrypt, hosts: ['../key'] } }, /^http\.tls\.letsencrypt\.hosts\[?\.?0/],
  [{ letsencrypt: { ...letsencrypt, hosts: ['10.0.0.1'] } }, /^http\.tls\.letsencrypt\.hosts/],
  [{ letsencrypt: { ...letsencrypt, hosts: ['*.example.com'] } }, /^http\.tls\.letsencrypt\.hosts/],
  [{ ...files, minimumtls: 'ssl3' }, /^http\.tls\.minimumtls: .*tls1\.0, tls1\.1, tls1\.2, tls1\.3/],
  [{ ...files, ciphersuites: ['TLS_RSA_WITH_3DES_EDE_CBC_SHA'] }, /^http\.tls\.ciphersuites: .*3DES/],
])('%j is not', (tls, problem) => {
  const problems = problemsOf(tls)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatch(problem)
})

test('an unknown cipher suite is answered with all that are known', () => {
  const [problem] = problemsOf({ ...files, ciphersuites: ['TLS_RSA_WITH_RC4_128_SHA'] })
  expect(problem).toMatch(/^http\.tls\.ciphersuites.*found "TLS_RSA_WITH_RC4_128_SHA"/)
  for (const name of CIPHER_SUITES.keys()) expect(problem).toContain(name)
})

test("Go's names of cipher suites become OpenSSL's", () => {
  const ciphersuites = ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'tls_aes_128_gcm_sha256']
  expect(load({ ...files, ciphersuites })?.ciphersuites).toEqual([
    'ECDHE-RSA-AES256-GCM-SHA384',
    'TLS_AES_128_GCM_SHA256',
  ])
})
