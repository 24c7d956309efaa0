import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectInvalidManifest, registryErrorIfAny } from '../../../../test/support/registry-error.ts'
import {
  encoded,
  keptSignature,
  newSigner,
  prettyJws,
  schema1Json,
  schema1Payload,
  signatureOf,
  signedSchema1,
} from '../../../../test/support/schema1.ts'
import { digestOf } from '../../digest.ts'
import { parseDocument } from '../document.ts'
import { MAX_SIGNATURE_BYTES, MAX_SIGNATURES } from '../limits.ts'
import { parseManifest } from '../parse.ts'
import { joinPrettyJws, splitPrettyJws } from './pretty-jws.ts'
import { verifySignatures } from './verify.ts'

const signers = [newSigner('ES256'), newSigner('ES384'), newSigner('ES256')] as const
const [signer] = signers
const payload = schema1Payload()
const split = (content: Uint8Array) => splitPrettyJws(content, parseDocument(content))

describe('a pretty JWS', () => {
  it('is its payload, byte for byte, and each signature as Go wrote it', () => {
    const signatures = signers.map((one) => signatureOf(payload, one))
    const signed = split(prettyJws(payload, signatures))
    expect(signed.payload).toEqual(payload)
    expect(signed.signatures).toEqual(signatures.map(keptSignature))
  })

  it('comes together again, with its signatures by the names of their keys', () => {
    const inOrder = signers.toSorted((one, other) => (String(one.jwk.kid) < String(other.jwk.kid) ? -1 : 1))
    const document = signedSchema1(payload, ...inOrder)
    const { signatures } = split(document)
    expect(joinPrettyJws(payload, signatures.toReversed())).toEqual(document)
  })

  it.each([
    ['compact', 0],
    ['of one space', 1],
    ['of tabs', '\t'],
    ['of many spaces', 10],
  ])('keeps the layout of its payload: %s', async (_, indent) => {
    const laidOut = schema1Payload({}, indent)
    const document = joinPrettyJws(laidOut, [keptSignature(signatureOf(laidOut, signer))]) as Uint8Array
    const manifest = parseManifest(document)
    expect(manifest.payload).toEqual(laidOut)
    await expect(verifySignatures(manifest)).resolves.toBeUndefined()
    const text = Buffer.from(document).toString()
    if (indent === 0) expect(text).toContain('],"signatures":[{"header":')
    else
      expect(text).toContain(`],\n${typeof indent === 'number' ? ' '.repeat(indent) : indent}"signatures": [`)
  })

  it('of a payload with odd white space is taken and comes together', async () => {
    for (const text of [
      `\r\n { "history" : [],\t"fsLayers":[{}]\n\t } \n`,
      JSON.stringify(schema1Json({ name: 'ü'.repeat(20) })),
    ]) {
      const odd = Buffer.from(text)
      const document = joinPrettyJws(odd, [keptSignature(signatureOf(odd, signer))]) as Uint8Array
      expect(split(document).payload).toEqual(odd)
    }
  })

  it('has each signature once, in whatever layout it came', () => {
    const signature = signatureOf(payload, signer)
    const { header, ...rest } = signature
    const turned = { ...rest, header: Object.fromEntries(Object.entries(header as object).reverse()) }
    expect(split(prettyJws(payload, [signature, turned, signature])).signatures).toEqual([
      keptSignature(signature),
    ])
  })

  it('is not made of signatures of another layout, of what is none, or of nothing', () => {
    const other = keptSignature(signatureOf(schema1Payload({}, 0), signer))
    const broken = [Buffer.from('{'), Buffer.from('[]'), Buffer.from('{"header":{},"signature":"x"}'), other]
    expect(joinPrettyJws(payload, broken)).toBeUndefined()
    expect(joinPrettyJws(payload, [])).toBeUndefined()
    const good = keptSignature(signatureOf(payload, signer))
    expect(joinPrettyJws(payload, [...broken, good])).toEqual(joinPrettyJws(payload, [good]))
    expect(joinPrettyJws(Buffer.from('[1]'), [good])).toBeUndefined()
  })
})

describe('a pretty JWS is refused', () => {
  const withProtected = (parts: Record<string, unknown>) =>
    prettyJws(payload, [signatureOf(payload, signer, { protected: parts })])
  const withSignature = (parts: Record<string, unknown>) =>
    prettyJws(payload, [{ ...signatureOf(payload, signer), ...parts }])

  it.each([
    ['no list of signatures', prettyJws(payload, { x: 1 } as never), 'signatures is not an array'],
    ['a signature that is none', prettyJws(payload, ['x']), 'signatures[0] is not an object'],
    ['no header', withSignature({ header: undefined }), 'signatures[0].header is missing'],
    ['a header of another type', withSignature({ header: [] }), 'signatures[0].header is not an object'],
    ['a jwk of another type', withSignature({ header: { jwk: 'x' } }), 'header.jwk is not an object'],
    ['an alg of another type', withSignature({ header: { alg: 5 } }), 'header.alg is not a string'],
    ['a chain of another type', withSignature({ header: { x5c: 'x' } }), 'x5c is not an array of strings'],
    ['no signature in it', withSignature({ signature: undefined }), 'signatures[0].signature is missing'],
    ['a signature that is not base64url', withSignature({ signature: 'a+b=' }), 'signature is not base64url'],
    ['a signature cut off', withSignature({ signature: 'aaaaa' }), 'signature is not base64url'],
    ['no protected header', withSignature({ protected: undefined }), 'protected is missing'],
    ['a protected header not in base64url', withSignature({ protected: '*' }), 'protected is not base64url'],
    ['a protected header that is no JSON', withSignature({ protected: 'aaaa' }), 'protected is not'],
    ['a protected header that is a list', withSignature({ protected: encoded([]) }), 'is not an object'],
    [
      'a protected header too deep',
      withSignature({ protected: Buffer.from('['.repeat(500)).toString('base64url') }),
      '64 levels',
    ],
    ['no length', withProtected({ formatLength: undefined }), 'protected.formatLength is missing'],
    ['a length in words', withProtected({ formatLength: '9' }), 'formatLength is not a number of bytes'],
    ['a length below 0', withProtected({ formatLength: -1 }), 'formatLength is not a number of bytes'],
    ['half a byte', withProtected({ formatLength: 1.5 }), 'formatLength is not a number of bytes'],
    ['a length beyond its end', withProtected({ formatLength: 1e9 }), 'lies beyond the end'],
    ['another length', withProtected({ formatLength: 5 }), 'does not split the manifest'],
    ['no tail', withProtected({ formatTail: undefined }), 'protected.formatTail is missing'],
    ['a tail not in base64url', withProtected({ formatTail: 'Cn0=' }), 'formatTail is not base64url'],
    ['a tail that is none', withProtected({ formatTail: 'YWJj' }), 'does not split the manifest'],
    [
      'a tail with members',
      withProtected({ formatTail: encodedText(',"x":1}') }),
      'does not split the manifest',
    ],
    [
      'a tail that ends twice',
      withProtected({ formatTail: encodedText('}}') }),
      'does not split the manifest',
    ],
  ])('with %s', (_, content, message) => {
    expectInvalidManifest(() => split(content), message)
  })

  it('with signatures of two layouts', () => {
    const compact = schema1Payload({}, 0)
    const both = [signatureOf(payload, signer), signatureOf(compact, signer)]
    expectInvalidManifest(() => split(prettyJws(payload, both)), 'signatures[1].protected does not split')
  })

  it('with members that are not signed, before the signatures, behind them or instead of signed ones', () => {
    const signature = signatureOf(payload, signer)
    const text = prettyJws(payload, [signature]).toString()
    for (const changed of [
      text.replace('"signatures"', '"config": {}, "signatures"'),
      text.replace(/\}$/, ', "name": "another"}'),
      text.replace(/\}$/, ', "__proto__": {}}'),
    ]) {
      expectInvalidManifest(() => split(Buffer.from(changed)), 'is not the signed one')
    }
  })

  it('with signatures in what is signed', () => {
    const inner = schema1Payload({ signatures: [signatureOf(payload, signer)] })
    expectInvalidManifest(
      () => split(prettyJws(inner, [signatureOf(inner, signer)])),
      'is not the signed one',
    )
  })

  it(`with more than ${MAX_SIGNATURES} signatures, or one that is too large`, () => {
    const signature = signatureOf(payload, signer)
    const many = Array.from({ length: MAX_SIGNATURES + 1 }, () => signature)
    expect(split(prettyJws(payload, many.slice(1))).signatures).toHaveLength(1)
    expectInvalidManifest(() => split(prettyJws(payload, many)), 'signatures are more than 100')
    const large = { ...signature, header: { alg: 'ES256', x5c: ['x'.repeat(MAX_SIGNATURE_BYTES)] } }
    expectInvalidManifest(() => split(prettyJws(payload, [large])), 'has more than 16384 bytes')
  })
})

describe('any pretty JWS', () => {
  const document = signedSchema1(payload, signer)

  it('that was changed anywhere is refused, or still says what was signed', async () => {
    const change = fc.tuple(
      fc.nat({ max: document.length - 1 }),
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
    )
    await fc.assert(
      fc.asyncProperty(change, fc.constantFrom('over', 'in', 'out'), async ([at, bytes], how) => {
        const changed = Buffer.concat([
          document.subarray(0, at),
          how === 'out' ? new Uint8Array() : bytes,
          document.subarray(how === 'in' ? at : at + bytes.length),
        ])
        const manifest = parsedIfTaken(changed)
        const isVerified = manifest !== undefined && (await verified(manifest))
        if (isVerified) expect(digestOf(manifest.payload)).toBe(digestOf(payload))
      }),
      { numRuns: 300 },
    )
  })

  it('of any JSON is refused with an error of the registry or taken, never anything else', () => {
    const text = fc.oneof(fc.string(), fc.base64String(), fc.jsonValue().map(encoded))
    const header = fc.record({ alg: fc.jsonValue(), jwk: fc.jsonValue(), x5c: fc.jsonValue() })
    const protectedHeader = fc
      .record({ formatLength: fc.oneof(fc.nat({ max: 2_000 }), fc.jsonValue()), formatTail: text })
      .map(encoded)
    const signature = fc.record(
      {
        header: fc.oneof(header, fc.jsonValue()),
        signature: fc.oneof(text, fc.jsonValue()),
        protected: fc.oneof(protectedHeader, text),
      },
      { requiredKeys: [] },
    )
    const signatures = fc.oneof(fc.array(fc.oneof(signature, fc.jsonValue())), fc.jsonValue())
    fc.assert(
      fc.property(signatures, fc.boolean(), (list, compact) => {
        const content = compact
          ? Buffer.from(JSON.stringify({ ...schema1Json(), signatures: list }))
          : prettyJws(payload, list as never)
        registryErrorIfAny(() => parseManifest(content))
        if (Array.isArray(list)) joinPrettyJws(payload, list.map(keptSignature))
      }),
      { numRuns: 500 },
    )
  })

  it('that is signed and taken comes together to the same payload', () => {
    const values = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }))
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 10 }), (extra, indent) => {
        const { signatures: _, ...members } = extra
        const signed = schema1Payload({ ...members, ...schema1Json() }, indent)
        const kept = [keptSignature(signatureOf(signed, signer))]
        expect(split(joinPrettyJws(signed, kept) as Uint8Array)).toMatchObject({
          payload: signed,
          signatures: kept,
        })
      }),
      { numRuns: 50 },
    )
  })
})

function encodedText(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function parsedIfTaken(content: Uint8Array) {
  let manifest: ReturnType<typeof parseManifest> | undefined
  registryErrorIfAny(() => {
    manifest = parseManifest(content)
  })
  return manifest?.signatures.length === 0 ? undefined : manifest
}

async function verified(manifest: ReturnType<typeof parseManifest>): Promise<boolean> {
  try {
    await verifySignatures(manifest)
    return true
  } catch (error) {
    registryErrorIfAny(() => {
      throw error
    })
    return false
  }
}
