/** Whatever text or bytes come from outside: a parser gives a typed value or refuses it in its own words, and soon. `FUZZ_RUNS`
 *  says how often each is tried, `FUZZ_SEED` repeats what it was given. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRobots } from '../../src/auth/robots/robots-file.ts'
import { repositoryMatcher } from '../../src/auth/rules.ts'
import { parseTcpAddress } from '../../src/config/address.ts'
import { ConfigError, loadConfig } from '../../src/config/load.ts'
import { parseDuration, parseSize } from '../../src/config/units.ts'
import { claimedUser, parseBasic, splitAuthorization } from '../../src/core/access/authorization-header.ts'
import { digestOf, parseDigest, parseDigestAlgorithm } from '../../src/core/digest.ts'
import { RegistryError } from '../../src/core/errors.ts'
import { mediaTypeOf, parseManifest } from '../../src/core/manifest/parse.ts'
import { parseListed, parseReferrer } from '../../src/core/manifest/referrer.ts'
import { parseMediaType } from '../../src/core/media-type.ts'
import { parseReference, parseRepositoryName } from '../../src/core/reference.ts'
import { accepts } from '../../src/http/request/accept.ts'
import { pageRequest } from '../../src/http/request/pagination.ts'
import { ifRangeAllows, matchesEtag, parseContentRange, parseRange } from '../../src/http/request/ranges.ts'
import { parseRoute } from '../../src/http/request/route.ts'
import { wildcard } from '../../src/http/request/wildcard.ts'

const numRuns = Number(process.env.FUZZ_RUNS ?? 2_000)
const seed = Number(process.env.FUZZ_SEED ?? Date.now()) | 0

/** What one call may take, generously: machines that run tests stand still at times. */
const MAX_MS = 2_000

/** Any text, and text that is nearly right: the pieces that a grammar is made of, in any order and number. */
function textOf(...pieces: string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 8 }))
  const repeated = fc
    .tuple(fc.constantFrom(...pieces), fc.nat(5_000))
    .map(([one, count]) => one.repeat(count).slice(0, 20_000))
  return fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((all) => all.join('')),
    fc.string({ unit: 'binary' }),
    repeated,
  )
}

const hex = 'a'.repeat(64)
const paths = textOf(
  '/v2/',
  '/',
  'a',
  '_catalog',
  'manifests',
  'blobs',
  'uploads',
  'tags/list',
  '%2e',
  '%2F',
  '%00',
  '..',
  '?',
  hex,
)
const headers = textOf(
  'bytes=',
  '0',
  '-',
  ',',
  ' ',
  '9'.repeat(20),
  '"',
  'W/',
  '*',
  ';q=',
  '/',
  'application/',
  'json',
  'Basic ',
  'Bearer ',
  'YTpi',
  '=',
  ':',
  '\r\n',
)
const digests = textOf('sha256', 'sha512', 'md5', ':', hex, 'A', '\n', '+', '.')
const globs = textOf('*', '**', '/', 'a', '?', '[', '{', '\\')
const jsonTexts = textOf(
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '"mediaType"',
  '"layers"',
  '"manifests"',
  '"config"',
  '"__proto__"',
  '1e999',
  'null',
  '\\u0000',
  '"digest"',
  `"sha256:${hex}"`,
)
const yamlTexts = textOf(
  'version: 0.1\n',
  'storage:',
  ' ',
  '\n',
  '- ',
  '&a ',
  '*a',
  '<<:',
  '{',
  '}',
  '[',
  ']',
  'inmemory: {}',
  'http:',
  'auth:',
  'rules:',
  '!!',
  '|',
  '>',
  '"',
  '%YAML',
  '? ',
)

/** @param declared the errors that it may throw, and only those */
function never(
  what: string,
  texts: fc.Arbitrary<string>,
  parse: (text: string) => unknown,
  declared: readonly unknown[] = [RegistryError],
): void {
  test(`${what}: nothing but a value or a refusal`, () => {
    fc.assert(
      fc.property(texts, (text) => {
        const start = performance.now()
        try {
          parse(text)
        } catch (error) {
          expect(
            declared.some((type) => error instanceof (type as typeof Error)),
            String(error),
          ).toBe(true)
        }
        expect(performance.now() - start).toBeLessThan(MAX_MS)
      }),
      { numRuns, seed },
    )
  })
}

const bytes = (text: string) => Buffer.from(text)

never('the path of a request', paths, parseRoute)
never('a repository, a reference', paths, (text) => [
  attempt(() => parseRepositoryName(text)),
  parseReference(text),
])
never('a digest', digests, (text) => [attempt(() => parseDigestAlgorithm(text)), parseDigest(text)])
never('Range', headers, (text) => parseRange(text, 100))
never('Content-Range', headers, parseContentRange)
never('If-None-Match and If-Range', headers, (text) => [matchesEtag(text, '"x"'), ifRangeAllows(text, '"x"')])
never('Accept', headers, (text) => accepts(text, 'application/json'))
never('Content-Type', headers, parseMediaType)
never('Authorization', headers, (text) => [
  claimedUser(text),
  parseBasic(splitAuthorization(text).credentials),
])
never('the page of a list', headers, (text) =>
  pageRequest(new URLSearchParams({ n: text, last: text }), { standard: 1, max: 2 }),
)
never('a manifest', jsonTexts, (text) =>
  parseManifest(bytes(text), 'application/vnd.oci.image.manifest.v1+json'),
)
never('the media type of a stored manifest', jsonTexts, (text) => mediaTypeOf(bytes(text)))
never('a referrer', jsonTexts, (text) => parseReferrer(bytes(text), digestOf(bytes(text))))
never('a list of referrers', jsonTexts, (text) => parseListed(bytes(text)))
never('a configuration', yamlTexts, (text) => loadConfig({ path: '/c', env: {}, readFile: () => text }), [
  ConfigError,
])
never(
  'a variable',
  yamlTexts,
  (text) =>
    loadConfig({
      path: '/c',
      env: { REGISTRY_HTTP_ADDR: text, REGISTRY_AUTH: text },
      readFile: () => 'version: 0.1\nstorage: { inmemory: {} }\n',
    }),
  [ConfigError],
)
never('a duration, a size, an address', headers, (text) => [
  parseDuration(text),
  parseSize(text),
  parseTcpAddress(text),
])
// An empty one is refused before.
never('the globs of a rule', globs, (text) => text !== '' && repositoryMatcher([text])('a/b/c'))
never('a wildcard', globs, (text) => wildcard(text)('a'.repeat(200)))
never('the file of robots', jsonTexts, parseRobots, [Error])

function attempt(parse: () => unknown): unknown {
  try {
    return parse()
  } catch (error) {
    expect(error).toBeInstanceOf(RegistryError)
    return undefined
  }
}
