import { expect, test } from 'vitest'
import { ChunkedFraming, type Framing, FramingError, LengthFraming } from './framing.ts'

/** Gives a framing what arrives, in pieces of a size. */
function taken(framing: Framing, text: string, pieceBytes = text.length) {
  const bytes = Buffer.from(text, 'latin1')
  const parts: Buffer[] = []
  let at = 0
  for (; at < bytes.length && !framing.isComplete; at += pieceBytes)
    parts.push(Buffer.from(framing.take(bytes.subarray(at, at + pieceBytes))))
  return {
    body: Buffer.concat(parts).toString('latin1'),
    isComplete: framing.isComplete,
    rest: `${framing.rest.toString('latin1')}${bytes.toString('latin1', at)}`,
  }
}

const everySize = Array.from({ length: 90 }, (_, index) => index + 1)

test.each(everySize)('a body of known length, in pieces of %d bytes', (pieceBytes) => {
  const arrives = `${'0123456789'.repeat(5)}GET /v2/ HTTP/1.1`
  expect(taken(new LengthFraming(50), arrives, pieceBytes)).toEqual({
    body: '0123456789'.repeat(5),
    isComplete: true,
    rest: 'GET /v2/ HTTP/1.1',
  })
  expect(taken(new LengthFraming(50), arrives.slice(0, 49), pieceBytes).isComplete).toBe(false)
})

test.each(everySize)('a body in chunks, in pieces of %d bytes', (pieceBytes) => {
  const arrives =
    '5\r\nfirst\r\n00a;name=value;"x y"\r\n\r\n4\r\n67890\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nExpires: never\r\n\r\nPUT /'
  expect(taken(new ChunkedFraming(), arrives, pieceBytes)).toEqual({
    body: 'first\r\n4\r\n67890abcdefghijklmnopqrstuvwxyz',
    isComplete: true,
    rest: 'PUT /',
  })
})

test('a body without bytes', () => {
  expect(taken(new ChunkedFraming(), '0\r\n\r\n')).toEqual({ body: '', isComplete: true, rest: '' })
  expect(new LengthFraming(0).isComplete).toBe(true)
})

test.each([
  ['no size', '\r\nabc\r\n'],
  ['a sign', '+5\r\nfirst\r\n'],
  ['a prefix', '0x5\r\nfirst\r\n'],
  ['a space before its size', ' 5\r\nfirst\r\n'],
  ['a space behind its size', '5 \r\nfirst\r\n'],
  ['a size of another kind', '5g\r\nfirst\r\n'],
  ['a size beyond all numbers', '10000000000000\r\n'],
  ['many zeros', '00000000000005\r\nfirst\r\n'],
  ['a line that ends early', '5\nfirst\r\n'],
  ['a line that does not end', '5\r5\r\nfirst\r\n'],
  ['more bytes than it says', '5\r\nfirst!\r\n'],
  ['an end without CR', '5\r\nfirst\n0\r\n\r\n'],
  ['an end without LF', '5\r\nfirst\r0\r\n\r\n'],
  ['an extension with LF', '5;a\nb\r\nfirst\r\n'],
  ['an extension with NUL', '5;a\0b\r\nfirst\r\n'],
  ['a long extension', `5;${'a'.repeat(16 * 1024 + 1)}\r\n`],
  ['a trailer with LF', '0\r\na: b\n\r\n'],
  ['a long trailer', `0\r\n${'a'.repeat(16 * 1024 + 1)}`],
  ['long trailers', `0\r\n${'a: b\r\n'.repeat(5000)}`],
  ['an end that does not end', '0\r\n\r0'],
])('a chunk with %s is refused, in one piece or byte by byte', (_, arrives) => {
  for (const pieceBytes of [arrives.length, 1])
    expect(() => taken(new ChunkedFraming(), arrives, pieceBytes)).toThrow(FramingError)
})

test('a large chunk is not looked through', () => {
  const framing = new ChunkedFraming()
  framing.take(Buffer.from('fffffffffffff\r\n'))
  const part = Buffer.alloc(1024 * 1024)
  expect(framing.take(part)).toEqual(part)
  expect(framing.isComplete).toBe(false)
})
