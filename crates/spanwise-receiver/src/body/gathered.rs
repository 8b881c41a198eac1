//! The frames of a body, gathered into one piece.

use bytes::Bytes;

use crate::budget::Charge;
use crate::refusal::Refusal;

/// The bytes received so far: one frame, or copies of several.
#[derive(Default)]
pub(super) struct Gathered {
    first: Bytes,
    rest: Vec<u8>,
    /// Bytes after `rest` while memory is scarce, in pieces of one size: one body can reuse the
    /// freed pieces of another, whereas growing buffers fragment the heap.
    pieces: Vec<Vec<u8>>,
    /// Bytes in all of the above.
    len: usize,
    /// Charged bytes.
    charged: usize,
}

impl Gathered {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) async fn push(
        &mut self,
        data: Bytes,
        expected: Option<usize>,
        charge: &Charge,
    ) -> Result<(), Refusal> {
        if data.is_empty() {
            return Ok(());
        }
        // A small frame is copied: it may be the last slice of a read buffer many times its size,
        // and would retain that buffer.
        if self.len == 0 && data.len() >= MIN_ZERO_COPY {
            charge.grow(data.len()).await?;
            (self.charged, self.len) = (data.len(), data.len());
            self.first = data;
            return Ok(());
        }
        let need = self.len + data.len();
        let has_capacity = self.rest.capacity() >= need;
        if self.pieces.is_empty() && (has_capacity || self.extend(need, expected, charge)?) {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
            self.rest.extend_from_slice(&data);
        } else {
            self.push_pieces(&data, expected, charge).await?;
        }
        self.len = need;
        Ok(())
    }

    /// Grows `rest`, or begins it with a cached buffer, if less than a quarter of the memory is in use;
    /// returns whether it grew.
    fn extend(
        &mut self,
        need: usize,
        expected: Option<usize>,
        charge: &Charge,
    ) -> Result<bool, Refusal> {
        let claimed = expected.unwrap_or(need.saturating_mul(2));
        let mut capacity = claimed.min(need.saturating_mul(4).max(FIRST_CAPACITY)).max(need);
        let mut idle = None;
        if capacity >= MIN_REUSED {
            // Equal capacities, so that the buffer of one body serves another.
            capacity = capacity.next_multiple_of(MIN_REUSED);
            idle = charge.take_idle_buffer(capacity);
            capacity = idle.as_ref().map_or(capacity, Vec::capacity);
        }
        if !charge.try_grow_early(capacity - self.charged) {
            return Ok(false);
        }
        self.charged = capacity;
        if let Some(mut idle) = idle {
            idle.extend_from_slice(&self.rest);
            self.rest = idle;
            return Ok(true);
        }
        let more = capacity - self.rest.len();
        self.rest.try_reserve_exact(more).map_err(|_| Refusal::Overloaded)?;
        Ok(true)
    }

    async fn push_pieces(
        &mut self,
        mut data: &[u8],
        expected: Option<usize>,
        charge: &Charge,
    ) -> Result<(), Refusal> {
        while !data.is_empty() {
            let is_full = self.pieces.last().is_none_or(|last| last.len() == last.capacity());
            if is_full {
                let held = self.first.len() + self.rest.len();
                let held = held + self.pieces.iter().map(Vec::len).sum::<usize>();
                // The last piece of a body may be smaller.
                let left = expected.map_or(data.len(), |all| all.saturating_sub(held));
                let size = left.max(data.len()).min(PIECE);
                charge.grow(size).await?;
                self.charged += size;
                let mut piece = Vec::new();
                piece.try_reserve_exact(size).map_err(|_| Refusal::Overloaded)?;
                self.pieces.push(piece);
            }
            let Some(last) = self.pieces.last_mut() else { continue };
            let (now, later) = data.split_at(data.len().min(last.capacity() - last.len()));
            last.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    /// The body in one piece. Each piece is freed once copied, so that memory holds the body once.
    pub(super) fn into_bytes(mut self, charge: &Charge) -> Result<Bytes, Refusal> {
        if self.pieces.is_empty() {
            return Ok(match self.rest.capacity() {
                0 => self.first,
                MIN_REUSED.. => Bytes::from_owner(charge.reusable(self.rest)),
                _ => Bytes::from(self.rest),
            });
        }
        let mut whole = Vec::new();
        whole.try_reserve_exact(self.len).map_err(|_| Refusal::Overloaded)?;
        whole.extend_from_slice(&std::mem::take(&mut self.first));
        whole.extend_from_slice(&std::mem::take(&mut self.rest));
        for piece in self.pieces {
            whole.extend_from_slice(&piece);
        }
        Ok(Bytes::from(whole))
    }
}

/// Largest buffer before the client has sent anything; later four times the bytes received.
const FIRST_CAPACITY: usize = 64 << 10;
const PIECE: usize = 64 << 10;
/// The buffer of a smaller body is not reused: the allocator retains it.
const MIN_REUSED: usize = 256 << 10;
/// A smaller frame is copied.
pub(super) const MIN_ZERO_COPY: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::limits::Limits;

    #[tokio::test]
    async fn a_declared_length_is_not_allocated_in_advance() {
        let limits = Limits::default();
        let budget = Budget::new(limits.memory_bytes);
        let charge = Charge::request_of(&budget);
        let mut gathered = Gathered::default();
        for _ in 0..2 {
            gathered.push(Bytes::from_static(b"x"), Some(16 << 20), &charge).await.unwrap();
        }
        assert!(budget.used() <= FIRST_CAPACITY);
        assert!(gathered.rest.capacity() <= FIRST_CAPACITY);
    }
}
