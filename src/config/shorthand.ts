/** `storage: inmemory` and `auth: none`: where a section is a plain word, the word is its one key. */

import { emptyTree, type Tree } from './tree.ts'

const SECTIONS_OF_ONE_WORD = ['storage', 'auth']

/** Writes the short forms out, in place, so that a variable can reach into them. */
export function expandShorthands(tree: Tree): void {
  for (const section of SECTIONS_OF_ONE_WORD) {
    const word = tree[section]
    if (typeof word === 'string' && word !== '') tree[section] = emptyTree({ [word]: emptyTree() })
  }
}
