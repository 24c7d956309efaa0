/** The section `http`: listening, TLS and limits. */

import { isIP } from 'node:net'
import * as z from 'zod'
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
    /** PEM: the registry's certificate first, then the intermediate ones. */
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
    /** Go's names in the file, OpenSSL's after validation. */
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

/** Incomplete combinations, which would disable TLS or admit no client. */
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
      'a folder for certificates',
    ],
    [isAutomatic && hosts.length === 0, ['letsencrypt', 'hosts'], 'the host names of the certificates'],
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
      'at least one cipher suite that OpenSSL supports, which 3DES is not',
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

/** Excludes paths that the debug server already uses, and invalid ones. */
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
  /** Without it there is no debug server. */
  addr: debugAddress.or(''),
  prometheus: section({ enabled: flag().or(false), path: metricsPath.or('/metrics') }),
})

/** Normalized: empty, or a path with a leading slash and without a trailing one. */
const prefix = scalar('a path such as /registry/', (found) => {
  const steps = String(found).split('/').filter(Boolean)
  return steps.every((step) => /^[\w\-.~]+$/.test(step))
    ? steps.map((step) => `/${step}`).join('')
    : undefined
})

/** The registry's public URL. A URL that is not fully qualified is ignored with a warning, as in
 *  Distribution. */
const host = scalar('a URL such as https://registry.example.com', (found) =>
  isPublicUrl(found) ? new URL(String(found)) : null,
)

/** True for a valid `http.host`. */
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
    /** `host:port`, or the path of a socket if `net` is `unix`. */
    addr: text().or(DEFAULT_ADDRESS),
    net: choice('tcp', 'unix').or('tcp'),
    host: host.optional().transform((found) => found ?? undefined),
    prefix: prefix.or(''),
    secret: text().or(''),
    relativeurls: flag().or(true),
    /** Number of processes that serve; `auto` is one per available CPU. */
    workers: workers.or(1),
    /** Time in milliseconds for running requests after the signal to stop. */
    draintimeout: duration().or(30_000),
    /** Time in milliseconds after which an idle connection is closed. */
    idletimeout: duration({ min: 1000, minText: ', at least 1s' }).or(75_000),
    /** Proxies whose `X-Forwarded-*` headers are trusted. */
    trustedproxies: list(network().required()),
    headers: headers(),
    tls,
    debug,
    http2: section({ disabled: flag().or(false) }),
    h2c: section({ enabled: flag().or(false) }),
    /** The web page at `/ui/`. */
    ui: section({ enabled: flag().or(true) }),
    /** Per user, or per address for anonymous clients; 0 for no limit. */
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
    error: 'another address than http.addr',
  })

function wouldMeet(address: string, debugAddress = ''): boolean {
  const [one, other] = [parseTcpAddress(address), parseTcpAddress(debugAddress)]
  return one !== undefined && other !== undefined && areSameAddress(one, other)
}

export const http = sectionOf(httpKeys)
