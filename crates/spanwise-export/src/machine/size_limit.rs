//! The size of a request that an endpoint accepts.

/// The maximum bytes of a request to one endpoint, as far as its refusals show.
///
/// A refusal halves it. After some accepted requests it doubles again: the endpoint may have another limit since,
/// and if it refuses the larger request, that is split, and the next try follows after twice as many.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SizeLimit {
    /// `None`: it has refused no request.
    max: Option<usize>,
    /// Accepted requests since it changed.
    accepted: u32,
    /// Tries in a row that were refused.
    failed_tries: u32,
    /// It was doubled, and no request above the former limit was accepted yet.
    is_tried: bool,
}

impl SizeLimit {
    /// Maximum bytes of a request.
    pub(super) fn max_bytes(&self) -> usize {
        self.max.unwrap_or(usize::MAX)
    }

    /// A request of `bytes` bytes was refused: later ones have at most half of that, at least `floor` bytes.
    pub(super) fn refused(&mut self, bytes: usize, floor: usize) {
        self.max = Some(self.max_bytes().min((bytes / 2).max(floor)));
        self.accepted = 0;
        if std::mem::take(&mut self.is_tried) {
            self.failed_tries = (self.failed_tries + 1).min(MAX_FAILED_TRIES);
        }
    }

    /// A request of `bytes` bytes was accepted.
    pub(super) fn accepted(&mut self, bytes: usize) {
        let Some(max) = self.max else { return };
        if self.is_tried && bytes > max / 2 {
            (self.is_tried, self.failed_tries) = (false, 0);
        }
        self.accepted += 1;
        if self.accepted >= TRY_AFTER << self.failed_tries {
            self.accepted = 0;
            self.is_tried = true;
            self.max = Some(max.saturating_mul(2));
        }
    }
}

/// Accepted requests before a larger one is tried.
const TRY_AFTER: u32 = 256;
/// At most 16,384 requests between two tries.
const MAX_FAILED_TRIES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(limit: &mut SizeLimit, requests: u32) {
        (0..requests).for_each(|_| limit.accepted(limit.max_bytes().min(900)));
    }

    #[test]
    fn a_limit_rises_after_accepted_requests_and_more_slowly_after_each_refusal() {
        let mut limit = SizeLimit::default();
        accepts(&mut limit, 10 * TRY_AFTER);
        assert_eq!(limit.max_bytes(), usize::MAX);
        limit.refused(1_000, 100);
        limit.refused(500, 300);
        assert_eq!(limit.max_bytes(), 300);
        let mut tries = Vec::new();
        for _ in 0..9 {
            let mut requests = 0;
            while limit.max_bytes() == 300 {
                accepts(&mut limit, 1);
                requests += 1;
            }
            assert_eq!(limit.max_bytes(), 600);
            limit.refused(600, 100);
            tries.push(requests / TRY_AFTER);
        }
        assert_eq!(tries, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        // The endpoint accepts more now.
        accepts(&mut limit, 64 * TRY_AFTER);
        accepts(&mut limit, TRY_AFTER);
        assert_eq!(limit.max_bytes(), 1_200);
    }
}
