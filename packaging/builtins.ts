/** An `import` of one of Node's modules reads everything that the module exports, and some exports load a great deal when they
 *  are read: `node:crypto` all of Web Crypto, `node:http` all of `fetch`. `process.getBuiltinModule` reads nothing. */
import { isBuiltin } from 'node:module'

/** As esbuild writes them at the beginning of a line or behind another statement: `import x,{a,b as c}from"node:fs";` */
const IMPORT =
  /(?<=^|[;}\n])import ?(?:([\w$]+),?)? ?(?:\* ?as ([\w$]+) ?|\{([^}]*)\} ?)?from ?"([\w:/]+)";/gm

/** Rewrites the static imports of Node's modules in bundled code. */
export function withDirectBuiltins(code: string): string {
  return code.replace(IMPORT, (statement, whole, namespace, names, module) => {
    if (!isBuiltin(module)) return statement
    const parts = [whole, namespace, names && `{${names.replaceAll(' as ', ':')}}`].filter(Boolean)
    return parts.map((part) => `const ${part}=process.getBuiltinModule("${module}");`).join('')
  })
}
