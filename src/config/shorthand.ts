/** Short forms: in `storage: inmemory` and `auth: none`, the word is the section's only key. */

import { emptyTree, type Tree } from './tree.ts'

const SECTIONS_OF_ONE_WORD = ['storage', 'auth']

/** Expands the short forms in place, so that variables can set keys in them. */
export function expandShorthands(tree: Tree): void {
  for (const section of SECTIONS_OF_ONE_WORD) {
    const word = tree[section]
    if (typeof word === 'string' && word !== '') tree[section] = emptyTree({ [word]: emptyTree() })
  }
}
