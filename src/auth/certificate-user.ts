import type { X509Certificate } from 'node:crypto'

/** The part of a client certificate that is the user's name. */
export type CertificateField = 'commonname' | 'subject' | 'dns' | 'email' | 'uri'

const IN_ALTERNATIVE_NAME = { dns: 'DNS', email: 'email', uri: 'URI' } as const

/** The user of a certificate. Undefined if the field is missing or has several different values. */
export function userOfCertificate(
  { subject, subjectAltName }: X509Certificate,
  field: CertificateField,
): string | undefined {
  switch (field) {
    case 'subject':
      // Node prints one part a line; configurations have them in one.
      return subject.split('\n').join(',') || undefined
    case 'commonname':
      return only(valuesOf(subject.split('\n'), 'CN='))
    default:
      return only(valuesOf(alternativeNames(subjectAltName), `${IN_ALTERNATIVE_NAME[field]}:`))
  }
}

/** Node prints `DNS:a, email:b`, and ambiguous values as JSON strings. */
function alternativeNames(text = ''): string[] {
  return text.match(/[A-Za-z0-9 ]+:(?:"(?:[^"\\]|\\.)*"|[^,]*)/g)?.map((entry) => entry.trim()) ?? []
}

function valuesOf(entries: readonly string[], prefix: string): string[] {
  return entries
    .filter((entry) => entry.startsWith(prefix))
    .map((entry) => entry.slice(prefix.length))
    .map((value) => (value.startsWith('"') ? (JSON.parse(value) as string) : value))
}

function only(values: readonly string[]): string | undefined {
  return new Set(values).size === 1 ? values[0] || undefined : undefined
}
