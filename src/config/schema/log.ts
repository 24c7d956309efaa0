/** `log`: what is said, to whom and in which form. */

import { anything, choice, flag, list, section, table, text } from './key.ts'

/** Distribution's levels; pino has all of them. */
export const logLevel = choice('error', 'warn', 'info', 'debug')

const mailOptions = section({
  smtp: section({
    addr: text().or(''),
    username: text().or(''),
    password: text().or(''),
    insecure: flag().or(false),
  }),
  from: text().or(''),
  to: list(text().required()),
})

/** `log`. The level is absent here where the file has none: the deprecated `loglevel` stands in for it. */
export const log = section({
  accesslog: section({ disabled: flag().or(false) }),
  level: logLevel.optional(),
  formatter: choice('text', 'json', 'logstash').or('text'),
  /** Written with every line. */
  fields: table(anything()),
  hooks: list(
    section({
      disabled: flag().or(false),
      type: text().or(''),
      levels: list(text().required()),
      options: mailOptions,
    }),
  ),
  reportcaller: flag().or(false),
})
