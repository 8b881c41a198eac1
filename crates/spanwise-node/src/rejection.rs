//! Requests that are refused for good: because of some of their spans, whose neighbours are delivered in smaller requests, or whatever their
//! spans.
//!
//! A request has the spans of many clients, and a receiver checks no more than the framing of a span: what a destination cannot read, or does
//! not accept, would cost the spans of all.

use spanwise_transport::{Delivery, Failure, Outcome, ResponseStatus};
use std::time::{Duration, Instant};

/// Why a receiver refuses a request for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// It may accept other spans of the request.
    Content,
    /// It refuses all requests, whatever their spans: credentials or an address are wrong, for a while perhaps.
    Access,
}

impl Rejection {
    /// `None` unless the status has one of the two meanings.
    pub(crate) fn of(delivery: &Delivery) -> Option<Self> {
        let Outcome::Failed(failure) = &delivery.outcome else { return None };
        match failure {
            // It cannot be made JSON.
            Failure::Unsendable => Some(Self::Content),
            Failure::Redirect { .. } => Some(Self::Access),
            Failure::Rejected { status } => match *status {
                ResponseStatus::Http(400 | 422) => Some(Self::Content),
                ResponseStatus::Http(401 | 403 | 404 | 405 | 407 | 501) => Some(Self::Access),
                // The Collector answers INTERNAL to what it cannot unmarshal.
                ResponseStatus::Grpc(INVALID_ARGUMENT | INTERNAL) => Some(Self::Content),
                ResponseStatus::Grpc(PERMISSION_DENIED | UNIMPLEMENTED | UNAUTHENTICATED) => {
                    Some(Self::Access)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a firewall in front of the receiver may have refused the content with a status that denies access.
    pub(crate) fn is_forbidden(delivery: &Delivery) -> bool {
        use ResponseStatus::{Grpc, Http};
        matches!(
            delivery.outcome,
            Outcome::Failed(Failure::Rejected { status: Http(403) | Grpc(PERMISSION_DENIED) })
        )
    }
}

/// The requests that a receiver has refused because of their spans since it accepted one.
#[derive(Debug, Default)]
pub(crate) struct Rejections {
    in_a_row: u32,
    next_trial: Option<Instant>,
}

impl Rejections {
    pub(crate) fn add(&mut self) {
        self.in_a_row = self.in_a_row.saturating_add(1);
    }

    /// A request was accepted: others may be.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// The rejections for which a request that is refused at `now` is divided. A receiver that accepts nothing costs few more requests than
    /// it is sent; one that accepts again is found out within a second.
    pub(crate) fn divisions(&mut self, now: Instant) -> u32 {
        if self.in_a_row < MAX_IN_A_ROW {
            return MAX_DIVISIONS;
        }
        if self.next_trial.is_some_and(|next| now < next) {
            return 0;
        }
        self.next_trial = Some(now + TRIAL_EVERY);
        TRIAL_DIVISIONS
    }
}

/// The most rejections for which one request is divided: a span is found by some 14 of them.
const MAX_DIVISIONS: u32 = 64;
/// Those of a trial: enough for one span at the front of a request.
const TRIAL_DIVISIONS: u32 = 16;
/// The rejections in a row from which on a receiver counts as one that accepts nothing: more than some requests at once need to find a span each.
const MAX_IN_A_ROW: u32 = 128;
const TRIAL_EVERY: Duration = Duration::from_secs(1);
// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const INVALID_ARGUMENT: u32 = 3;
const PERMISSION_DENIED: u32 = 7;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
const UNAUTHENTICATED: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_accepts_nothing_has_a_trial_each_second() {
        let (mut rejections, start) = (Rejections::default(), Instant::now());
        for _ in 0..MAX_IN_A_ROW {
            assert_eq!(rejections.divisions(start), MAX_DIVISIONS);
            rejections.add();
        }
        let at = |millis| start + Duration::from_millis(millis);
        let permitted = [0, 1, 999, 1_000, 1_001, 5_000].map(|it| rejections.divisions(at(it)));
        assert_eq!(permitted, [TRIAL_DIVISIONS, 0, 0, TRIAL_DIVISIONS, 0, TRIAL_DIVISIONS]);
        rejections.end();
        assert_eq!(rejections.divisions(at(5_001)), MAX_DIVISIONS);
    }
}
