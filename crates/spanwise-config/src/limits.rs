//! Bounds of a file: a hostile one costs no more memory than these allow.

/// The largest file that is read, in bytes: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;

/// The deepest nesting of sequences and mappings.
pub const MAX_DEPTH: usize = 64;

/// The most scalars, sequences and mappings of a file, those of each alias counted again.
pub const MAX_NODES: usize = 100_000;

/// The most bytes of all scalars together, after substitution, those of each alias counted again: 4 MiB.
pub const MAX_TEXT_BYTES: usize = 4 << 20;
