/** A name of a repository, or a glob: `*` is within one part of a name, `**` any number of whole parts. */

export const MAX_GLOB_LENGTH = 4096
export const GLOB_FORM = `a name, or a glob such as team/** (** between slashes only), of up to ${MAX_GLOB_LENGTH} characters`

/** False for one that is empty or too long, and for one that means less than it seems to: in `a**` and `a/**b` the two stars are no
 *  more than one. */
export function isRepositoryGlob(text: string): boolean {
  return text !== '' && text.length <= MAX_GLOB_LENGTH && !/[^/{,(]\*\*|\*\*[^/},)]/.test(text)
}

/** True for one with upper-case letters, which no name of a repository has. */
export function hasUpperCase(glob: string): boolean {
  return /[A-Z]/.test(glob)
}
