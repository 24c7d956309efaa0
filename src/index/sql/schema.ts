/** The tables of both databases. Increase the version with every change: an index of another version is
 *  removed and filled again. Times are milliseconds since 1970.
 *
 *  - `state`: one row: whether a sweep has ended, when it began, a counter of looks at storage with its first
 *    value, and the generation of the repositories, which changes when one is added or removed.
 *  - `repository`: `looked` is the number of the look that it was last compared by; absent repositories stay
 *    until the next sweep has ended, so that an older look can't bring them back. `counted` is the number of the look that
 *    its pulls were read by; `pulled` is the last one.
 *  - `manifest`: what a manifest says of itself, shared by all repositories.
 *  - `tag`: `size` and `created` repeat those of the manifest, for ordering.
 *  - `change`: the last look at a single tag, for looks at its whole repository that began before. */
export const SCHEMA_VERSION = 3

export function tables({ id, isPostgres }: { id: string; isPostgres: boolean }): readonly string[] {
  // Names are compared by their bytes, as storage orders them.
  const text = isPostgres ? 'TEXT COLLATE "C"' : 'TEXT'
  return [
    `CREATE TABLE state (
       one INTEGER PRIMARY KEY, version INTEGER NOT NULL, source TEXT NOT NULL,
       complete INTEGER NOT NULL, as_of BIGINT, look BIGINT NOT NULL, first_look BIGINT NOT NULL, generation BIGINT NOT NULL)`,
    `CREATE TABLE repository (
       id ${id}, name ${text} NOT NULL UNIQUE, present INTEGER NOT NULL, looked BIGINT NOT NULL,
       tags BIGINT NOT NULL DEFAULT 0, newest ${text}, pushed BIGINT, size BIGINT,
       pulls BIGINT, pulled BIGINT, counted BIGINT NOT NULL DEFAULT 0)`,
    `CREATE TABLE manifest (
       digest ${text} PRIMARY KEY, media_type TEXT NOT NULL, artifact_type TEXT, platforms TEXT NOT NULL,
       created BIGINT, size BIGINT)`,
    `CREATE TABLE tag (
       id ${id}, repository BIGINT NOT NULL, name ${text} NOT NULL, digest ${text} NOT NULL,
       pushed BIGINT, size BIGINT, created BIGINT, UNIQUE (repository, name))`,
    `CREATE TABLE change (
       repository BIGINT NOT NULL, name ${text} NOT NULL, looked BIGINT NOT NULL, PRIMARY KEY (repository, name))`,
    'CREATE INDEX repository_pushed ON repository (pushed, id)',
    'CREATE INDEX repository_tags ON repository (tags, id)',
    'CREATE INDEX repository_size ON repository (size, id)',
    'CREATE INDEX repository_pulls ON repository (pulls, id)',
    'CREATE INDEX tag_repository_pushed ON tag (repository, pushed, id)',
    'CREATE INDEX tag_pushed ON tag (pushed, id)',
    'CREATE INDEX tag_size ON tag (size, id)',
    'CREATE INDEX tag_name ON tag (name, id)',
    'CREATE INDEX tag_digest ON tag (digest)',
  ]
}

/** Looks are counted from the present time, so that one from before an index was emptied is older than all later ones. */
export function firstState(source: string) {
  const look = Date.now()
  return {
    sql: 'INSERT INTO state VALUES (1, ?, ?, 0, NULL, ?, ?, 0)',
    parameters: [SCHEMA_VERSION, source, look, look],
  }
}
