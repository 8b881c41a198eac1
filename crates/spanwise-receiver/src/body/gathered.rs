//! The frames of a body, gathered into one piece.

use bytes::Bytes;

use crate::budget::Charge;
use crate::refusal::Refusal;

/// What came so far: one frame, or several copied together.
#[derive(Default)]
pub(super) struct Gathered {
    first: Bytes,
    rest: Vec<u8>,
    /// What comes after `rest` while memory is scarce: pieces of one size, which any body can
    /// have when another gives them back, where bodies that grow leave holes of all sizes.
    pieces: Vec<Vec<u8>>,
    /// Bytes in all of these.
    len: usize,
    /// Bytes that are charged.
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
        // A small frame is copied: it may be all that is left of a read buffer many times its
        // size, and would keep it.
        if self.len == 0 && data.len() >= LEAST_KEPT {
            charge.grow(data.len()).await?;
            (self.charged, self.len) = (data.len(), data.len());
            self.first = data;
            return Ok(());
        }
        let need = self.len + data.len();
        let has_room = self.rest.capacity() >= need;
        if self.pieces.is_empty() && (has_room || self.extend(need, expected, charge)?) {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
            self.rest.extend_from_slice(&data);
        } else {
            self.push_pieces(&data, expected, charge).await?;
        }
        self.len = need;
        Ok(())
    }

    /// Makes `rest` larger, if there is plenty of memory; tells whether it did.
    fn extend(
        &mut self,
        need: usize,
        expected: Option<usize>,
        charge: &Charge,
    ) -> Result<bool, Refusal> {
        let claimed = expected.unwrap_or(need.saturating_mul(2));
        let room = claimed.min(need.saturating_mul(4).max(FIRST_ROOM)).max(need);
        if !charge.try_grow_early(room - self.charged) {
            return Ok(false);
        }
        self.charged = room;
        let more = room - self.rest.len();
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
                // The last piece of a body need not be whole.
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

    /// All of it in one piece. What is copied is freed at once: the whole is not there twice.
    pub(super) fn into_bytes(mut self) -> Result<Bytes, Refusal> {
        if self.pieces.is_empty() {
            let is_one = self.rest.is_empty();
            return Ok(if is_one { self.first } else { Bytes::from(self.rest) });
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

/// Most that is reserved on a client's word alone; later four times what it has sent.
const FIRST_ROOM: usize = 64 << 10;
const PIECE: usize = 64 << 10;
/// A frame of less is copied.
pub(super) const LEAST_KEPT: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::limits::Limits;

    #[tokio::test]
    async fn a_claimed_length_is_not_given_in_advance() {
        let limits = Limits::default();
        let budget = Budget::new(limits.memory_bytes);
        let charge = Charge::request_of(&budget);
        let mut gathered = Gathered::default();
        for _ in 0..2 {
            gathered.push(Bytes::from_static(b"x"), Some(16 << 20), &charge).await.unwrap();
        }
        assert!(budget.used() <= FIRST_ROOM);
        assert!(gathered.rest.capacity() <= FIRST_ROOM);
    }
}
