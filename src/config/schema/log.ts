/** The section `log`: levels, formats and the access log. */

import { anything, choice, flag, list, section, table, text } from './key.ts'

/** Distribution's levels, which pino has too. */
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

/** Without a default level, so that the deprecated `loglevel` can apply. */
export const log = section({
  accesslog: section({ disabled: flag().or(false) }),
  level: logLevel.optional(),
  formatter: choice('text', 'json', 'logstash').or('text'),
  /** Fields of every line. */
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
