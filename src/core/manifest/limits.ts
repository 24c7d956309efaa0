/** The limits of manifests and of the signatures that come with them. A push above one of them is refused. */

/** The size that every registry must take. OCI Distribution Specification 1.1, "Pushing manifests". */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** Nesting of arrays and objects. */
export const MAX_JSON_DEPTH = 64

/** Arrays, objects, elements and members together: what bounds the time and memory of parsing. The most descriptors that fit
 *  in `MAX_MANIFEST_BYTES` have half of them. */
export const MAX_JSON_VALUES = 300_000

/** Missing references that are told of one manifest; it is checked no further then. */
export const MAX_MISSING_REFERENCES = 1_000

/** Signatures that a manifest of schema 1 may be pushed with, and is served with. */
export const MAX_SIGNATURES = 100

/** Size of one signature: enough for a chain of some certificates. */
export const MAX_SIGNATURE_BYTES = 16 * 1024

/** Certificates in the chain of one signature (`x5c`), */
export const MAX_CERTIFICATES = 10

/** and in those of all signatures of a manifest. */
export const MAX_CERTIFICATES_IN_ALL = 100
