import { generateKeyPairSync } from 'node:crypto'

/** A service account of Google's, as its key file has it, and the public key that goes with it. */
export function serviceAccount() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const credentials = {
    type: 'service_account',
    client_email: 'registry@project.iam.gserviceaccount.com',
    // As it comes out of a variable.
    private_key: privateKey.replaceAll('\n', '\\n'),
  }
  return { credentials, publicKey }
}
