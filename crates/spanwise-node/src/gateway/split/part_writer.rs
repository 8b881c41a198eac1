//! Writes the part of one peer.

use spanwise_batch::Charge;
use spanwise_transport::PREFIX;

use crate::gateway::held::PartsMemory;

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

/// There is no memory for more of a part.
#[derive(Debug)]
pub(super) struct NoMemory;

/// The part of one peer, whose last groups are open while their spans are read.
#[derive(Default)]
pub(super) struct PartWriter {
    out: Vec<u8>,
    /// Of the capacity of `out`.
    charge: Option<Charge>,
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
    /// Whether the part has any bytes.
    #[inline]
    pub(super) fn is_begun(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether the part has the groups at `place`.
    #[inline]
    pub(super) fn is_at(&self, place: Place) -> bool {
        self.place == place
    }

    /// Allocates `capacity` bytes, and writes the prefix.
    pub(super) fn begin_part(
        &mut self,
        capacity: usize,
        memory: &mut PartsMemory<'_>,
    ) -> Result<(), NoMemory> {
        self.reserve(PREFIX.max(capacity), memory)?;
        self.out.resize(PREFIX, 0);
        Ok(())
    }

    #[inline]
    pub(super) fn span(
        &mut self,
        raw: &[u8],
        memory: &mut PartsMemory<'_>,
    ) -> Result<(), NoMemory> {
        self.spans += 1;
        self.append(raw, memory)
    }

    /// Begins the groups at `place` with the fields that are known. Returns the number of bytes written.
    pub(super) fn open(
        &mut self,
        place: Place,
        peer: usize,
        open: &mut Open<'_>,
        memory: &mut PartsMemory<'_>,
    ) -> Result<usize, NoMemory> {
        let before = self.out.len();
        if self.place.resource != place.resource {
            self.resource = self.begin(RESOURCE_SPANS_KEY, memory)?;
            open.resources.push(peer);
        }
        self.resource.fields = self.put(self.resource.fields, &open.resource_fields, memory)?;
        self.scope = self.begin(SCOPE_SPANS_KEY, memory)?;
        open.scopes.push(peer);
        self.scope.fields = self.put(0, &open.scope_fields, memory)?;
        self.place = place;
        Ok(self.out.len() - before)
    }

    /// Writes the fields that came behind the first span, and the length. Returns the number of bytes written.
    pub(super) fn close_scope(
        &mut self,
        fields: &[&[u8]],
        memory: &mut PartsMemory<'_>,
    ) -> Result<usize, NoMemory> {
        let before = self.out.len();
        self.put(self.scope.fields, fields, memory)?;
        self.put_len(self.scope.start);
        Ok(self.out.len() - before)
    }

    /// As [`close_scope`](Self::close_scope).
    pub(super) fn close_resource(
        &mut self,
        fields: &[&[u8]],
        memory: &mut PartsMemory<'_>,
    ) -> Result<usize, NoMemory> {
        let before = self.out.len();
        self.put(self.resource.fields, fields, memory)?;
        self.put_len(self.resource.start);
        Ok(self.out.len() - before)
    }

    /// The bytes with a prefix, the number of spans and the charge; `None` without spans.
    pub(super) fn finish(mut self) -> Option<(Vec<u8>, u64, Option<Charge>)> {
        if self.spans == 0 {
            return None;
        }
        // The memory of a part that waits is that of its bytes.
        if self.out.capacity() > self.out.len() + self.out.len() / 4 {
            self.out.shrink_to_fit();
            if let Some(charge) = &mut self.charge {
                charge.shrink_to(self.out.capacity());
            }
        }
        Some((self.out, self.spans, self.charge))
    }

    /// The charge of a part that is not made.
    pub(super) fn into_charge(self) -> Option<Charge> {
        self.charge
    }

    fn begin(&mut self, key: u8, memory: &mut PartsMemory<'_>) -> Result<Group, NoMemory> {
        self.append(&[key, 0, 0, 0, 0, 0], memory)?;
        Ok(Group { start: self.out.len(), fields: 0 })
    }

    /// Writes the fields from the index `written` on; returns their number.
    fn put(
        &mut self,
        written: usize,
        fields: &[&[u8]],
        memory: &mut PartsMemory<'_>,
    ) -> Result<usize, NoMemory> {
        for field in fields.get(written..).unwrap_or_default() {
            self.append(field, memory)?;
        }
        Ok(fields.len())
    }

    #[inline]
    fn append(&mut self, bytes: &[u8], memory: &mut PartsMemory<'_>) -> Result<(), NoMemory> {
        if self.out.capacity() - self.out.len() < bytes.len() {
            self.grow(bytes.len(), memory)?;
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn grow(&mut self, more: usize, memory: &mut PartsMemory<'_>) -> Result<(), NoMemory> {
        let needed = self.out.len() + more;
        let usual = self.out.capacity() + self.out.capacity() / 2;
        self.reserve(needed.max(usual), memory)
    }

    /// Charges a capacity, and then allocates it.
    fn reserve(&mut self, capacity: usize, memory: &mut PartsMemory<'_>) -> Result<(), NoMemory> {
        let more = capacity.saturating_sub(self.out.capacity());
        if !memory.charge(&mut self.charge, more) {
            return Err(NoMemory);
        }
        self.out.reserve_exact(capacity.saturating_sub(self.out.len()));
        Ok(())
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
