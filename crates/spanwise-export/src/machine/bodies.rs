//! The bodies of the requests for one batch of spans, and the lanes that they go to.

use crate::machine::in_flight::InFlight;
use crate::machine::memory::{Memory, RequestMemory};
use crate::machine::routes::Routes;
use spanwise_batch::Charge;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::Ring;
use spanwise_wire::Plan;

/// The bodies of the requests for one batch: one that the destinations share which take all spans, and one
/// for each endpoint of a destination that is routed.
pub(super) struct Bodies<B> {
    bodies: Vec<Body<B>>,
    targets: Vec<Target>,
    is_large: bool,
}

struct Body<B> {
    /// `None`: the whole batch.
    part: Option<Plan<B>>,
    /// The copies that exist at once: itself, JSON and compressed ones.
    copies: usize,
    needs_json: bool,
}

/// A lane that gets spans of the batch.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) destination: usize,
    pub(super) lane: usize,
    /// The index of its body; `None`: the lane has no space, and the spans are lost.
    pub(super) body: Option<usize>,
    pub(super) spans: u64,
    /// Bytes that count against the share of the lane.
    pub(super) charged: usize,
}

/// Memory for each body, and the charges of their compressed copies.
pub(super) struct Taken {
    pub(super) memory: Vec<RequestMemory>,
    /// For the JSON of each body.
    pub(super) json: Vec<Option<RequestMemory>>,
    /// For each body; for a large span one alone, which adds to the charge of its chunk.
    pub(super) charges: Vec<Option<Charge>>,
}

impl<B> Bodies<B> {
    /// The bodies for the planned request `plan`, which `split` splits by trace. `is_large`: it is of one span
    /// larger than a chunk, whose chunk is charged for its requests already.
    pub(super) fn new(
        (routes, memory, in_flight): (&Routes, &Memory, &InFlight),
        plan: &Plan<B>,
        is_large: bool,
        split: impl Fn(&Ring) -> Vec<Option<Plan<B>>>,
    ) -> Self {
        let charge_of = |len: usize, copies: usize, needs_json: bool| match is_large {
            // All lanes hold the charge of the chunk.
            true => len * routes.copies(),
            false => memory.charge_of(len, copies, needs_json),
        };
        let mut this = Self { bodies: Vec::new(), targets: Vec::new(), is_large };
        let copies = routes.copies_of(routes.unrouted_lanes());
        let needs_json = routes.need_json(routes.unrouted_lanes());
        let charged = charge_of(plan.encoded_len(), copies, needs_json);
        let accepts = |lane: &usize| in_flight.accepts(*lane, charged);
        if routes.unrouted_lanes().any(|lane| accepts(&lane)) {
            // The disk makes its own, compressed copy.
            let is_sent = |lane: &usize| accepts(lane) && !in_flight.is_diverted(*lane);
            let lanes = routes.unrouted_lanes().filter(is_sent);
            let needs_json = routes.need_json(lanes.clone());
            this.bodies.push(Body { part: None, copies: routes.copies_of(lanes), needs_json });
        }
        for (destination, route) in routes.destinations().iter().enumerate() {
            let Some(ring) = &route.ring else {
                let lane = route.lanes.start;
                let body = accepts(&lane).then_some(0);
                let spans = plan.spans();
                this.targets.push(Target { destination, lane, body, spans, charged });
                continue;
            };
            for (lane, part) in route.lanes.clone().zip(split(ring)) {
                let Some(part) = part else { continue };
                let copies = routes.copies_of(std::iter::once(lane));
                let needs_json = routes.need_json(std::iter::once(lane));
                let charged = charge_of(part.encoded_len(), copies, needs_json);
                let accepts = in_flight.accepts(lane, charged);
                let (body, spans) = (accepts.then_some(this.bodies.len()), part.spans());
                this.targets.push(Target { destination, lane, body, spans, charged });
                if accepts {
                    this.bodies.push(Body { part: Some(part), copies, needs_json });
                }
            }
        }
        this
    }

    /// Whether the requests are worth making, while some lane could send one at once: a lane of theirs could, or
    /// all of them have space for a request that waits. Otherwise the spans behind these would wait for a lane
    /// that they do not need.
    pub(super) fn are_due(&self, in_flight: &InFlight) -> bool {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::SlowEndpointBlocksAll) {
            return self.targets.iter().all(|target| in_flight.is_ready(target.lane));
        }
        let is_accepted = |target: &Target| target.body.is_some();
        let is_ready = |target: &Target| is_accepted(target) && in_flight.is_ready(target.lane);
        self.targets.iter().any(is_ready) || self.targets.iter().all(is_accepted)
    }

    /// The lanes that have no space for their request, whose spans would be lost.
    pub(super) fn full_lanes(&self) -> Vec<usize> {
        let full = self.targets.iter().filter(|target| target.body.is_none());
        full.map(|target| target.lane).collect()
    }

    /// Memory for all bodies, or none. The chunk of a large span is charged for `charged` bytes of each copy.
    pub(super) fn take(&self, memory: &Memory, whole: &Plan<B>, charged: usize) -> Option<Taken> {
        let lens = self.plans(whole).map(Plan::encoded_len).zip(&self.bodies);
        if self.is_large {
            let more = lens.clone().map(|(len, body)| len.saturating_sub(charged) * body.copies);
            // A transport that replaced another may make more copies than the chunk is charged for.
            let copies = self.bodies.iter().map(|body| body.copies).sum::<usize>();
            let copies = copies.saturating_sub(memory.large_span_copies()) * charged;
            let more = memory.budget().try_charge_reserved(more.sum::<usize>() + copies)?;
            let memory =
                lens.map(|(len, _)| memory.charged_elsewhere(len)).collect::<Option<_>>()?;
            return Some(Taken { memory, json: Vec::new(), charges: vec![Some(more)] });
        }
        let mut taken = Taken { memory: Vec::new(), json: Vec::new(), charges: Vec::new() };
        for (len, body) in lens {
            let charged = memory.try_take(len, body.copies, body.needs_json)?;
            taken.memory.push(charged.request);
            taken.json.push(charged.json);
            taken.charges.push(charged.copies);
        }
        Some(taken)
    }

    /// Bytes of all copies of all bodies.
    pub(super) fn charged(&self, whole: &Plan<B>) -> usize {
        let lens = self.plans(whole).map(Plan::encoded_len).zip(&self.bodies);
        lens.map(|(len, body)| len * body.copies).sum()
    }

    /// The plan of each body, of the batch `whole`.
    pub(super) fn plans<'a>(
        &'a self,
        whole: &'a Plan<B>,
    ) -> impl Iterator<Item = &'a Plan<B>> + Clone {
        self.bodies.iter().map(move |body| body.part.as_ref().unwrap_or(whole))
    }

    pub(super) fn into_targets(self) -> Vec<Target> {
        self.targets
    }
}
