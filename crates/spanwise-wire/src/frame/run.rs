//! [`Run`]: a part of a planned request.

/// Neighbouring spans of one scope in one chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) scope: u32,
    pub(super) chunk: u32,
    /// The place of the spans in the chunk's bytes.
    pub(super) start: u32,
    pub(super) end: u32,
}
