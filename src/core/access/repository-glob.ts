import picomatch from 'picomatch'

/** A repository's name or a glob: `*` matches within one path component, `**` any number of whole
 *  components. */

export const MAX_GLOB_LENGTH = 4096
export const GLOB_FORM = `a name, or a glob such as team/** (** between slashes only), of up to ${MAX_GLOB_LENGTH} characters`

/** False if the glob is empty or too long, or if `**` is not a whole component, as in `a**` and `a/**b`:
 *  there it would mean no more than `*`. */
export function isRepositoryGlob(text: string): boolean {
  return text !== '' && text.length <= MAX_GLOB_LENGTH && !/[^/{,(]\*\*|\*\*[^/},)]/.test(text)
}

/** True if the glob has upper-case letters, which no repository's name has. */
export function hasUpperCase(glob: string): boolean {
  return /[A-Z]/.test(glob)
}

/** Matches names against globs. A leading `!` does not negate, and `a/**` does not match `a` itself. */
export function globMatcher(globs: readonly string[]): (name: string) => boolean {
  return picomatch([...globs], { nonegate: true, strictSlashes: true })
}
