/** The limits of manifests and of their signatures. A push above one of them is rejected. */

/** The size that every registry must accept. OCI Distribution Specification 1.1, "Pushing manifests". */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** Nesting of arrays and objects. */
export const MAX_JSON_DEPTH = 64

/** Number of arrays, objects, elements and members together: bounds the time and memory of parsing. A
 *  manifest of `MAX_MANIFEST_BYTES` full of descriptors has half of them. */
export const MAX_JSON_VALUES = 300_000

/** Missing references that are reported for one manifest. The check ends there. */
export const MAX_MISSING_REFERENCES = 1_000

/** Signatures that a manifest of schema 1 may have. */
export const MAX_SIGNATURES = 100

/** Size of one signature: enough for a short chain of certificates. */
export const MAX_SIGNATURE_BYTES = 16 * 1024

/** Certificates in the chain of one signature (`x5c`). */
export const MAX_CERTIFICATES = 10

/** Certificates in all signatures of a manifest together. */
export const MAX_CERTIFICATES_IN_ALL = 100
