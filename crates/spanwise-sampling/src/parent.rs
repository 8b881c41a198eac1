//! Children go with their parents: whole traces, or none of them.

use crate::intent::{SamplingDecision, SamplingIntent};
use crate::parameters::SamplingParameters;
use crate::parent_span::Parent;
#[cfg(feature = "dynamic")]
use crate::sampler::Choice;
use crate::sampler::{ComposableSampler, Sampler, tick_each};
use crate::threshold::{ProbabilityError, Threshold};
use crate::tick::Tick;

/// Decides by the parent, with a sampler for each of five cases (specification, *ParentBased*).
///
/// A branch that is not set goes with the parent: kept if it was, by the same threshold. A `th`
/// that contradicts the parent's flag is erased.
///
/// A sampler of a branch below a kept parent makes the threshold stricter, and the sharper of the
/// two is written. One of a branch below a dropped parent keeps spans whose probability nobody
/// knows: it draws its own chance and erases `th`.
///
/// A sampler that decides by time or by what it has seen ([`RateLimited`](crate::RateLimited),
/// [`Adaptive`](crate::Adaptive), [`JaegerRemote`](crate::JaegerRemote),
/// [`XrayRemote`](crate::XrayRemote)) goes with a parent of this process also as a branch.
#[derive(Debug, Clone)]
pub struct ParentBased {
    root: Sampler,
    remote_sampled: Option<Sampler>,
    remote_not_sampled: Option<Sampler>,
    local_sampled: Option<Sampler>,
    local_not_sampled: Option<Sampler>,
}

impl ParentBased {
    /// Roots are decided by `root`, children go with their parent.
    pub fn new(root: impl Into<Sampler>) -> Self {
        Self {
            root: root.into(),
            remote_sampled: None,
            remote_not_sampled: None,
            local_sampled: None,
            local_not_sampled: None,
        }
    }

    /// Roots with 10 %, remote parents as they are, local parents kept if they are, and 1 % of the
    /// spans below local parents that were dropped.
    ///
    /// The last is a hazard: such a span is exported without its parent, an orphan that most
    /// tools show as a broken trace, and its own children are kept with it. Take it to find out
    /// whether spans are made at all; for anything else set `with_local_not_sampled` to
    /// [`Sampler::always_off`].
    ///
    /// # Errors
    /// Never with these figures.
    pub fn composite() -> Result<Self, ProbabilityError> {
        Ok(Self::new(Sampler::probability(0.1)?)
            .with_remote_sampled(Sampler::always_on())
            .with_remote_not_sampled(Sampler::always_off())
            .with_local_sampled(Sampler::always_on())
            .with_local_not_sampled(Sampler::probability(0.01)?))
    }

    /// Decides below a kept parent of another process.
    #[must_use]
    pub fn with_remote_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.remote_sampled = Some(sampler.into());
        self
    }

    /// Decides below a dropped parent of another process.
    #[must_use]
    pub fn with_remote_not_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.remote_not_sampled = Some(sampler.into());
        self
    }

    /// Decides below a kept parent of this process.
    #[must_use]
    pub fn with_local_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.local_sampled = Some(sampler.into());
        self
    }

    /// Decides below a dropped parent of this process.
    #[must_use]
    pub fn with_local_not_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.local_not_sampled = Some(sampler.into());
        self
    }

    /// The sampler of roots, if all branches go with the parent.
    #[cfg(feature = "dynamic")]
    pub(crate) fn plain_root(&self) -> Option<&Choice> {
        self.branches().all(|branch| branch.is_none()).then_some(&self.root.choice)
    }

    #[inline]
    pub(crate) fn sampling_intent<'s>(
        &'s self,
        params: &SamplingParameters<'_>,
    ) -> SamplingIntent<'s> {
        let Some(parent) = &params.parent else { return self.root.sampling_intent(params) };
        let branch = match (parent.remote, parent.sampled) {
            (true, true) => &self.remote_sampled,
            (true, false) => &self.remote_not_sampled,
            (false, true) => &self.local_sampled,
            (false, false) => &self.local_not_sampled,
        };
        match branch {
            None => follow(parent, params),
            Some(sampler) => below(parent, params, sampler.sampling_intent(params)),
        }
    }

    pub(crate) fn tick(&self, tick: &Tick) {
        tick_each(std::iter::once(&self.root).chain(self.branches().flatten()), tick);
    }

    pub(crate) fn description(&self) -> String {
        let names = [
            "remoteParentSampled",
            "remoteParentNotSampled",
            "localParentSampled",
            "localParentNotSampled",
        ];
        let mut text = format!("ParentBased{{root={}", self.root);
        for (name, sampler) in names.into_iter().zip(self.branches()) {
            if let Some(sampler) = sampler {
                text += &format!(",{name}={sampler}");
            }
        }
        text + "}"
    }

    fn branches(&self) -> impl Iterator<Item = Option<&Sampler>> {
        let Self { remote_sampled, remote_not_sampled, local_sampled, local_not_sampled, .. } =
            self;
        [remote_sampled, remote_not_sampled, local_sampled, local_not_sampled]
            .into_iter()
            .map(Option::as_ref)
    }
}

/// Goes with the parent's threshold, and decides roots by another sampler (specification,
/// *ComposableParentThreshold*): the composable form of a [`ParentBased`] without branches.
#[derive(Debug, Clone)]
pub struct ParentThreshold {
    root: Sampler,
}

impl ParentThreshold {
    /// Roots are decided by `root`.
    pub fn new(root: impl Into<Sampler>) -> Self {
        Self { root: root.into() }
    }
}

impl ComposableSampler for ParentThreshold {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        match &params.parent {
            None => self.root.sampling_intent(params),
            Some(parent) => follow(parent, params),
        }
    }

    fn tick(&self, tick: &Tick) {
        self.root.tick(tick);
    }

    fn description(&self) -> String {
        format!("ParentThreshold{{{}}}", self.root)
    }
}

impl SamplingParameters<'_> {
    /// The decision that follows the parent and drops a root: for a caller whose sampler panicked.
    pub fn follow_parent(&self) -> SamplingDecision<'static> {
        let intent =
            self.parent.as_ref().map_or(SamplingIntent::DROP, |parent| follow(parent, self));
        intent.decide(self)
    }
}

/// What the parent does.
#[inline]
pub(crate) fn follow<'s>(
    parent: &Parent<'_>,
    params: &SamplingParameters<'_>,
) -> SamplingIntent<'s> {
    match threshold_of(parent, params) {
        Some(threshold) => SamplingIntent::keep(threshold),
        None if parent.sampled => SamplingIntent::keep_without_threshold(),
        None => SamplingIntent::DROP,
    }
}

/// What a sampler answers that decides by time or by what it has seen, below a parent of this
/// process: the parent's decision, since one of its own would tear the trace. `None` elsewhere.
#[cfg(any(feature = "jaeger", feature = "rate-limit", feature = "xray"))]
#[inline]
pub(crate) fn follow_local<'s>(params: &SamplingParameters<'_>) -> Option<SamplingIntent<'s>> {
    let parent = params.parent.as_ref().filter(|parent| !parent.remote)?;
    Some(follow(parent, params))
}

/// The parent's threshold, unless it contradicts the parent's flag.
fn threshold_of(parent: &Parent<'_>, params: &SamplingParameters<'_>) -> Option<Threshold> {
    let threshold = parent.member()?.th?;
    (threshold.keeps(params.randomness()) == parent.sampled).then_some(threshold)
}

/// What comes of `sampling_intent` below `parent`.
fn below<'s>(
    parent: &Parent<'_>,
    params: &SamplingParameters<'_>,
    intent: SamplingIntent<'s>,
) -> SamplingIntent<'s> {
    let Some(own) = intent.threshold else { return intent };
    let own_counts = intent.adjusted_count_reliable || own == Threshold::KEEP_ALL;
    match threshold_of(parent, params) {
        // Both have to let the trace pass: the sharper of the two decides, and both hold.
        Some(above) if parent.sampled && own_counts => SamplingIntent {
            threshold: Some(own.max(above)),
            adjusted_count_reliable: true,
            ..intent
        },
        // Whoever dropped the parent, or kept it with a probability unknown, has spoilt the
        // trace's randomness for a count.
        _ => SamplingIntent { adjusted_count_reliable: false, ..intent },
    }
}
