//! Writes the part of one peer.

use spanwise_transport::PREFIX;

/// The groups that are read: the numbers of their messages, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) resource: usize,
    pub(super) scope: usize,
}

/// An open group: the fields beside the repeated ones so far, and the peers that have a part of the group.
#[derive(Default)]
pub(super) struct Open<'a> {
    pub(super) resource_fields: Vec<&'a [u8]>,
    pub(super) scope_fields: Vec<&'a [u8]>,
    pub(super) resources: Vec<usize>,
    pub(super) scopes: Vec<usize>,
}

/// The part of one peer, whose last groups are open while their spans are read.
#[derive(Default)]
pub(super) struct PartWriter {
    out: Vec<u8>,
    spans: u64,
    place: Place,
    resource: Group,
    scope: Group,
}

/// A group that is open.
#[derive(Default)]
struct Group {
    /// The index of its first byte behind the length.
    start: usize,
    /// The number of its fields beside the repeated one that are written.
    fields: usize,
}

impl PartWriter {
    /// Whether the part has the groups at `place`.
    #[inline]
    pub(super) fn is_at(&self, place: Place) -> bool {
        self.place == place
    }

    #[inline]
    pub(super) fn span(&mut self, raw: &[u8]) {
        self.out.extend_from_slice(raw);
        self.spans += 1;
    }

    /// Begins the groups at `place` with the fields that are known. Returns the number of bytes written.
    pub(super) fn open(
        &mut self,
        place: Place,
        capacity: usize,
        peer: usize,
        open: &mut Open<'_>,
    ) -> usize {
        if self.out.capacity() == 0 {
            self.out.reserve_exact(capacity);
            self.out.resize(PREFIX, 0);
        }
        let before = self.out.len();
        if self.place.resource != place.resource {
            self.resource = self.begin(RESOURCE_SPANS_KEY);
            open.resources.push(peer);
        }
        self.resource.fields = self.put(self.resource.fields, &open.resource_fields);
        self.scope = self.begin(SCOPE_SPANS_KEY);
        open.scopes.push(peer);
        self.scope.fields = self.put(0, &open.scope_fields);
        self.place = place;
        self.out.len() - before
    }

    /// Writes the fields that came behind the first span, and the length. Returns the number of bytes written.
    pub(super) fn close_scope(&mut self, fields: &[&[u8]]) -> usize {
        let before = self.out.len();
        self.put(self.scope.fields, fields);
        self.put_len(self.scope.start);
        self.out.len() - before
    }

    /// As [`close_scope`](Self::close_scope).
    pub(super) fn close_resource(&mut self, fields: &[&[u8]]) -> usize {
        let before = self.out.len();
        self.put(self.resource.fields, fields);
        self.put_len(self.resource.start);
        self.out.len() - before
    }

    /// The bytes with a prefix and the number of spans; `None` without spans.
    pub(super) fn finish(mut self) -> Option<(Vec<u8>, u64)> {
        if self.spans == 0 {
            return None;
        }
        // The memory of a part that waits is that of its bytes.
        if self.out.capacity() > self.out.len() + self.out.len() / 4 {
            self.out.shrink_to_fit();
        }
        Some((self.out, self.spans))
    }

    fn begin(&mut self, key: u8) -> Group {
        self.out.extend_from_slice(&[key, 0, 0, 0, 0, 0]);
        Group { start: self.out.len(), fields: 0 }
    }

    /// Writes the fields from the index `written` on; returns their number.
    fn put(&mut self, written: usize, fields: &[&[u8]]) -> usize {
        for field in fields.get(written..).unwrap_or_default() {
            self.out.extend_from_slice(field);
        }
        fields.len()
    }

    /// Writes the length of the group that begins at `start` in front of it.
    fn put_len(&mut self, start: usize) {
        let len = self.out.len() - start;
        if let Some(place) = start.checked_sub(LEN_BYTES).and_then(|at| self.out.get_mut(at..start))
        {
            for (byte, shift) in place.iter_mut().zip((0_u32..).step_by(7)) {
                *byte = (len >> shift) as u8 & 0x7f | 0x80;
            }
            if let Some(last) = place.last_mut() {
                *last &= 0x7f;
            }
        }
    }
}

/// The bytes of a length: 35 bits.
const LEN_BYTES: usize = 5;
const RESOURCE_SPANS_KEY: u8 = 0x0a;
const SCOPE_SPANS_KEY: u8 = 0x12;
