/** `http`: where the registry listens and how it is reached. */

import { isIP } from 'node:net'
import { z } from 'zod'
import { areSameAddress, parseTcpAddress } from '../address.ts'
import { CIPHER_SUITES } from '../cipher-suites.ts'
import {
  choice,
  duration,
  flag,
  integer,
  list,
  network,
  optionalSection,
  optionalSectionOf,
  readInteger,
  scalar,
  section,
  sectionOf,
  table,
  text,
  url,
} from './key.ts'

const DEFAULT_ADDRESS = '127.0.0.1:5000'

const hostName = scalar('a host name such as registry.example.com', (found) => {
  const name = String(found).toLowerCase()
  const isName = name.length < 254 && name.split('.').every((label) => HOST_LABEL.test(label))
  return isName && isIP(name) === 0 ? name : undefined
})
const HOST_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

const cipherSuite = scalar([...CIPHER_SUITES.keys()].join(', '), (found) =>
  CIPHER_SUITES.get(String(found).toUpperCase()),
)

const tlsKeys = z
  .strictObject({
    /** PEM: the registry's own first, then those that lead to its authority's. */
    certificate: text().or(''),
    key: text().or(''),
    clientcas: list(text().required()),
    clientauth: choice(
      'request-client-cert',
      'require-any-client-cert',
      'verify-client-cert-if-given',
      'require-and-verify-client-cert',
    ).optional(),
    minimumtls: choice('tls1.0', 'tls1.1', 'tls1.2', 'tls1.3').or('tls1.2'),
    /** By Go's names in the file, by OpenSSL's in here. */
    ciphersuites: list(cipherSuite.required()),
    letsencrypt: section({
      cachefile: text().or(''),
      email: text().or(''),
      hosts: list(hostName.required()),
      directoryurl: url().optional(),
    }),
  })
  .check(({ value, issues }) => {
    for (const { path, message } of missingInTls(value)) {
      issues.push({ code: 'custom', path, message, input: value })
    }
  })

/** What belongs together: without it the registry would be served in the clear, or to nobody. */
function missingInTls({ certificate, key, clientcas, clientauth, ciphersuites, letsencrypt }: TlsKeys) {
  const { cachefile, hosts, email, directoryurl } = letsencrypt
  const isAutomatic = cachefile !== ''
  const wantsAutomatic = isAutomatic || hosts.length > 0 || email !== '' || directoryurl !== undefined
  const isEncrypted = certificate !== '' || wantsAutomatic
  const checks: [boolean, string[], string][] = [
    [certificate !== '' && isAutomatic, ['letsencrypt'], 'nothing where http.tls.certificate is set'],
    [certificate !== '' && key === '', ['key'], 'the file of the key of http.tls.certificate'],
    [certificate === '' && key !== '', ['certificate'], 'the file of the certificate of http.tls.key'],
    [
      certificate === '' && wantsAutomatic && !isAutomatic,
      ['letsencrypt', 'cachefile'],
      'a folder to keep certificates in',
    ],
    [
      isAutomatic && hosts.length === 0,
      ['letsencrypt', 'hosts'],
      'the host names that certificates are wanted for',
    ],
    [
      clientcas.length > 0 && !isEncrypted,
      ['certificate'],
      'the file of a certificate: http.tls.clientcas has no effect without TLS',
    ],
    [
      clientauth?.includes('verify') === true && clientcas.length === 0,
      ['clientcas'],
      'the files of authorities: http.tls.clientauth asks to verify certificates',
    ],
    [
      ciphersuites.length > 0 && ciphersuites.every((suite) => suite === ''),
      ['ciphersuites'],
      'at least one cipher suite that OpenSSL still has, so not 3DES alone',
    ],
  ]
  return checks.filter(([isMissing]) => isMissing).map(([, path, message]) => ({ path, message }))
}

interface TlsKeys {
  certificate: string
  key: string
  clientcas: string[]
  clientauth?: string | undefined
  ciphersuites: string[]
  letsencrypt: { cachefile: string; email: string; hosts: string[]; directoryurl?: string | undefined }
}

const tls = optionalSectionOf(tlsKeys)

/** Where the debug server answers something else already, or a path that no request can have. */
const metricsPath = scalar('a path such as /metrics, which is not that of /debug/health', (found) => {
  const path = String(found)
  return /^\/[^\s?#]*$/.test(path) && path !== '/debug/health' ? path : undefined
})

const ADDRESS_FORM = 'host:port, or a port with nothing but a colon before it, such as :5000'

const debugAddress = scalar(ADDRESS_FORM, (found) => {
  const address = String(found)
  return address === '' || parseTcpAddress(address) !== undefined ? address : undefined
})

const debug = optionalSection({
  /** Without it there is no debug server, whatever else stands here. */
  addr: debugAddress.or(''),
  prometheus: section({ enabled: flag().or(false), path: metricsPath.or('/metrics') }),
})

/** Empty, or a path that begins with a slash and ends without one, however the file has it. */
const prefix = scalar('a path such as /registry/', (found) => {
  const steps = String(found).split('/').filter(Boolean)
  return steps.every((step) => /^[\w\-.~]+$/.test(step))
    ? steps.map((step) => `/${step}`).join('')
    : undefined
})

/** The registry's own URL. One that is not fully qualified is dropped, as Distribution does (`support.ts` says so). */
const host = scalar('a URL such as https://registry.example.com', (found) =>
  isPublicUrl(found) ? new URL(String(found)) : null,
)

/** True for a URL that `http.host` can be. */
export function isPublicUrl(found: unknown): boolean {
  return typeof found === 'string' && URL.canParse(found) && /^https?:/i.test(found)
}

const MAX_WORKERS = 1024

const workers = scalar(`a whole number from 1 to ${MAX_WORKERS}, or auto`, (found) => {
  if (String(found).toLowerCase() === 'auto') return 'auto'
  const count = readInteger(found)
  return count !== undefined && count >= 1 && count <= MAX_WORKERS ? count : undefined
})

const headerValue = scalar('text without control characters', (found) =>
  /^[\t\x20-\x7e\x80-\xff]*$/.test(String(found)) ? String(found) : undefined,
)

/** Response headers: each name with its list of values. */
export const headers = () => table(list(headerValue.required()))

const httpKeys = z
  .strictObject({
    /** `host:port`, or the path of a socket where `net` is `unix`. */
    addr: text().or(DEFAULT_ADDRESS),
    net: choice('tcp', 'unix').or('tcp'),
    host: host.optional().transform((found) => found ?? undefined),
    prefix: prefix.or(''),
    secret: text().or(''),
    relativeurls: flag().or(true),
    /** How many processes serve; `auto` is one for each CPU that there is. */
    workers: workers.or(1),
    /** Milliseconds that running requests have to finish once the process is told to stop. */
    draintimeout: duration().or(30_000),
    /** Whose `X-Forwarded-*` headers are believed. */
    trustedproxies: list(network().required()),
    headers: headers(),
    tls,
    debug,
    http2: section({ disabled: flag().or(false) }),
    h2c: section({ enabled: flag().or(false) }),
    /** For each user, or each address of those who have no name; 0 for any number. */
    limits: section({ requestspersecond: integer({ min: 0 }).or(0) }),
  })
  .refine(
    ({ net, addr }) => net === 'unix' || typeof addr !== 'string' || parseTcpAddress(addr) !== undefined,
    {
      path: ['addr'],
      when: ({ value }) => typeof value === 'object',
      error: ADDRESS_FORM,
    },
  )
  .refine(({ net, addr, debug }) => net === 'unix' || !wouldMeet(addr, debug?.addr), {
    path: ['debug', 'addr'],
    error: 'another address than that of http.addr',
  })

function wouldMeet(address: string, debugAddress = ''): boolean {
  const [one, other] = [parseTcpAddress(address), parseTcpAddress(debugAddress)]
  return one !== undefined && other !== undefined && areSameAddress(one, other)
}

export const http = sectionOf(httpKeys)
