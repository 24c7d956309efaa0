import { expect, test } from 'vitest'
import { type CertificateOptions, makeCertificate } from '../../test/support/certificates.ts'
import { type CertificateField, userOfCertificate } from './certificate-user.ts'

const names: CertificateOptions = {
  name: 'CN=alice,O=Acme',
  alternativeNames: [
    { type: 'dns', value: 'alice.example.com' },
    { type: 'email', value: 'alice@example.com' },
    { type: 'url', value: 'spiffe://example.com/alice, DNS:boss' },
  ],
}

test.each<[CertificateField, string]>([
  ['commonname', 'alice'],
  ['subject', 'CN=alice,O=Acme'],
  ['dns', 'alice.example.com'],
  ['email', 'alice@example.com'],
  ['uri', 'spiffe://example.com/alice, DNS:boss'],
])('the user by %s', async (field, user) => {
  const { certificate } = await makeCertificate(names)
  expect(userOfCertificate(certificate, field)).toBe(user)
})

test('a certificate without the field, or with several that differ, is nobody’s', async () => {
  const bare = await makeCertificate({ name: 'O=Acme' })
  for (const field of ['commonname', 'dns', 'email', 'uri'] as const) {
    expect(userOfCertificate(bare.certificate, field)).toBeUndefined()
  }
  const two = await makeCertificate({
    name: 'CN=alice,CN=boss',
    alternativeNames: [
      { type: 'dns', value: 'a.example.com' },
      { type: 'dns', value: 'b.example.com' },
    ],
  })
  expect(userOfCertificate(two.certificate, 'commonname')).toBeUndefined()
  expect(userOfCertificate(two.certificate, 'dns')).toBeUndefined()
})
