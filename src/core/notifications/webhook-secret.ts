const PREFIX = 'whsec_'

/** A secret as the Standard Webhooks specification 1.0.0 serializes it: base64, with the prefix `whsec_` or without; 24 to 64 bytes. Undefined for anything
 *  else. */
export function parseWebhookSecret(text: string): Uint8Array | undefined {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return undefined
  const secret = Buffer.from(encoded, 'base64')
  return secret.length >= 24 && secret.length <= 64 ? secret : undefined
}
