//! The receivers: authentication, admission, processors, and the next stage.

mod bearer;
mod counts;
mod listening;
#[cfg(test)]
mod panics;
mod readers;

use crate::account::IntakeAccount;
use crate::memory::{Memory, REQUEST_OVERHEAD};
use crate::processors::{Processed, Processors};
use crate::settings::Secret;
use crate::stage::{Busy, OwnedRequest, RETRY_DELAY, Refusal, Stage};
use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use counts::{Counts, RefusedByPanic};
use spanwise_receiver::{Answer, Export, Headers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub(crate) use listening::{listen, renewed};
pub(crate) use readers::ReceiverStatsReaders;

/// The part that all receivers of a node share.
pub(crate) struct Intake {
    processors: ArcSwap<Processors>,
    memory: Memory,
    counts: Counts,
    is_closing: AtomicBool,
}

/// The handler of one receiver.
pub(crate) struct Entry {
    intake: Arc<Intake>,
    stage: Arc<dyn Stage>,
    is_for_peers: bool,
    token: ArcSwapOption<Secret>,
}

impl Intake {
    pub(crate) fn new(processors: Processors, memory: Memory) -> Self {
        Self {
            processors: ArcSwap::from_pointee(processors),
            memory,
            counts: Counts::default(),
            is_closing: AtomicBool::new(false),
        }
    }

    /// Replaces the processors: a request has either the earlier ones or these.
    pub(crate) fn set_processors(&self, processors: Processors) {
        self.processors.store(Arc::new(processors));
    }

    /// Refuses all further requests.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Relaxed)
    }

    pub(crate) fn account(&self) -> IntakeAccount {
        self.counts.account()
    }
}

impl Entry {
    pub(crate) fn new(
        intake: Arc<Intake>,
        stage: Arc<dyn Stage>,
        is_for_peers: bool,
        token: Option<Secret>,
    ) -> Self {
        let token = ArcSwapOption::from(token.map(Arc::new));
        Self { intake, stage, is_for_peers, token }
    }

    /// Requires another token from the next request on.
    pub(crate) fn set_token(&self, token: Option<Secret>) {
        self.token.store(token.map(Arc::new));
    }

    /// Decides by the headers of a request whether its body is read.
    fn intercept(&self, headers: &Headers) -> Result<(), Answer> {
        let counts = &self.intake.counts;
        if let Some(token) = &*self.token.load()
            && !bearer::has_token(headers, token)
        {
            counts.unauthorized_requests.fetch_add(1, Relaxed);
            return Err(unauthorized());
        }
        let busy = match self.intake.is_closing() {
            true => Some(Busy::Draining),
            false => self.stage.busy(),
        };
        match busy {
            Some(busy) => {
                counts.refuse_unread(busy);
                Err(not_now(busy))
            }
            None => Ok(()),
        }
    }

    fn handle(&self, export: Export) -> Answer {
        self.take(export.body, export.spans)
    }

    /// Accepts a request as a whole, or refuses it as a whole. A panic is the receiver's answer that the request is refused.
    fn take(&self, body: Bytes, spans: u64) -> Answer {
        let Intake { memory, counts, .. } = &*self.intake;
        let _until_accepted = RefusedByPanic { counts, spans };
        counts.received.fetch_add(spans, Relaxed);
        if spans == 0 {
            return Answer::Accept;
        }
        if spans > MAX_REQUEST_SPANS {
            counts.refused_malformed.fetch_add(spans, Relaxed);
            return too_large();
        }
        let refuse = |busy| {
            counts.refused_overloaded.fetch_add(spans, Relaxed);
            not_now(busy)
        };
        if self.intake.is_closing() {
            return refuse(Busy::Draining);
        }
        let charged = |bytes: usize| memory.requests.try_charge(bytes + REQUEST_OVERHEAD);
        // Before the processors: their work would be in vain.
        let Some(mut charge) = charged(body.len()) else { return refuse(Busy::Full) };
        let len = body.len();
        let processed = match self.is_for_peers {
            true => Ok(Processed::unchanged(body, spans)),
            false => self.intake.processors.load().run(body, spans),
        };
        let Ok(Processed { bytes, spans: passed, left_out }) = processed else {
            counts.refused_malformed.fetch_add(spans, Relaxed);
            return malformed();
        };
        if bytes.len() > len {
            let more = memory.requests.try_charge(bytes.len() - len);
            let Some(more) = more else { return refuse(Busy::Full) };
            let _same_budget = charge.merge(more);
        } else {
            charge.shrink_to(bytes.len() + REQUEST_OVERHEAD);
        }
        if passed > 0 {
            let request = OwnedRequest { bytes, spans: passed, charge: Arc::new(charge) };
            match self.stage.try_accept(request) {
                Ok(()) => {}
                Err(Refusal::Busy(busy)) => return refuse(busy),
                Err(Refusal::TooLarge) => {
                    counts.refused_malformed.fetch_add(spans, Relaxed);
                    return too_large();
                }
                Err(Refusal::Malformed) => {
                    counts.refused_malformed.fetch_add(spans, Relaxed);
                    return malformed();
                }
            }
        }
        counts.accept(spans, left_out);
        match self.is_for_peers {
            true => counts.passed_from_peers.fetch_add(passed, Relaxed),
            false => counts.passed.fetch_add(passed, Relaxed),
        };
        Answer::Accept
    }
}

fn not_now(busy: Busy) -> Answer {
    Answer::Refuse {
        http_status: 503,
        grpc_code: UNAVAILABLE,
        message: format!("{}; send the request again later", busy.text()),
        retry_after: Some(RETRY_DELAY),
    }
}

fn unauthorized() -> Answer {
    Answer::Refuse {
        http_status: 401,
        grpc_code: UNAUTHENTICATED,
        message: "the request has no valid bearer token".to_owned(),
        retry_after: None,
    }
}

/// The message is one of a size limit, and has no delay: the sender divides the request.
fn too_large() -> Answer {
    Answer::Refuse {
        http_status: 413,
        grpc_code: RESOURCE_EXHAUSTED,
        message: "the request is larger than max size: the node has no space for it, or it has more than 1,048,576 spans".to_owned(),
        retry_after: None,
    }
}

fn malformed() -> Answer {
    Answer::Refuse {
        http_status: 400,
        grpc_code: INVALID_ARGUMENT,
        message: "a processor cannot read the request".to_owned(),
        retry_after: None,
    }
}

/// The work on a request grows with its spans, of which 16 MiB have 8 million if they are empty.
const MAX_REQUEST_SPANS: u64 = 1 << 20;
// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const INVALID_ARGUMENT: u16 = 3;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNAVAILABLE: u16 = 14;
const UNAUTHENTICATED: u16 = 16;

#[cfg(test)]
mod tests;
