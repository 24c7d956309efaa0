import picomatch from 'picomatch'

/** A repository's name or a glob: `*` matches within one path component, `**` any number of whole
 *  components. */

export const MAX_GLOB_LENGTH = 4096
export const GLOB_FORM = `a name, or a glob such as team/** (** between slashes only), of up to ${MAX_GLOB_LENGTH} characters`

/** picomatch does not end for a glob that ends with a few backslashes. No name has one. */
const BACKSLASHES = /\\{3}/

/** False if the glob is empty or too long, or if `**` is not a whole component, as in `a**` and `a/**b`:
 *  there it would mean no more than `*`. */
export function isRepositoryGlob(text: string): boolean {
  if (text === '' || text.length > MAX_GLOB_LENGTH || BACKSLASHES.test(text)) return false
  return !/[^/{,(]\*\*|\*\*[^/},)]/.test(text)
}

const MAX_PLAIN_LENGTH = 255
const MAX_PLAIN_STARS = 3
export const PLAIN_GLOB_FORM = `a name, or a glob of letters, digits, . _ - and / with at most ${MAX_PLAIN_STARS} stars (** between slashes only)`

/** True for a glob that is compared with any name quickly, so anybody may choose it. Others, such as `+(a*)b`, can take
 *  longer than a life. */
export function isPlainRepositoryGlob(text: string): boolean {
  const stars = text.match(/\*+/g)?.length ?? 0
  const isPlain =
    /^[a-z0-9._\-/*]+$/.test(text) && text.length <= MAX_PLAIN_LENGTH && stars <= MAX_PLAIN_STARS
  return isPlain && isRepositoryGlob(text)
}

/** True if the glob has upper-case letters, which no repository's name has. */
export function hasUpperCase(glob: string): boolean {
  return /[A-Z]/.test(glob)
}

/** Matches names against globs. A leading `!` does not negate, and `a/**` does not match `a` itself. */
export function globMatcher(globs: readonly string[]): (name: string) => boolean {
  return picomatch(
    globs.filter((glob) => !BACKSLASHES.test(glob)),
    { nonegate: true, strictSlashes: true },
  )
}
