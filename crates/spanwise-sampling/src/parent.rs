//! Samplers that follow the parent: traces are sampled as a whole.

use crate::intent::{SamplingDecision, SamplingIntent};
use crate::parameters::SamplingParameters;
use crate::parent_span::Parent;
#[cfg(feature = "dynamic")]
use crate::sampler::Choice;
use crate::sampler::{ComposableSampler, Sampler, tick_each};
use crate::sampling_rate::SamplingRate;
use crate::threshold::{ProbabilityError, Threshold};
use crate::tick::Tick;

/// Decides by the parent, with a sampler for each of five cases (specification, *ParentBased*).
///
/// A branch without a sampler follows the parent: it samples children of a sampled parent, by the
/// parent's threshold. It erases a `th` that contradicts the parent's flag.
///
/// A sampler for children of a sampled parent makes the threshold stricter: the decision writes the
/// higher of the two. A sampler for children of a dropped parent samples spans with an unknown
/// probability: it draws its own random numbers and erases `th`.
///
/// A sampler that decides by time or by its history ([`RateLimited`](crate::RateLimited),
/// [`Adaptive`](crate::Adaptive), [`JaegerRemote`](crate::JaegerRemote),
/// [`XrayRemote`](crate::XrayRemote)) follows a parent of this process also as a branch.
#[derive(Debug, Clone)]
pub struct ParentBased {
    root: Sampler,
    remote_sampled: Option<Sampler>,
    remote_not_sampled: Option<Sampler>,
    local_sampled: Option<Sampler>,
    local_not_sampled: Option<Sampler>,
}

impl ParentBased {
    /// `root` decides roots; children follow their parent.
    pub fn new(root: impl Into<Sampler>) -> Self {
        Self {
            root: root.into(),
            remote_sampled: None,
            remote_not_sampled: None,
            local_sampled: None,
            local_not_sampled: None,
        }
    }

    /// The sampler of roots.
    pub(crate) fn root(&self) -> &Sampler {
        &self.root
    }

    /// The source document's composite: samples 10 % of roots, follows remote parents and sampled
    /// local parents, and samples 1 % of the children of dropped local parents.
    ///
    /// The last branch is a hazard: the SDK exports such a span without its parent, as an orphan
    /// that most tools show as a broken trace, and samples its children with it. Use it to find out
    /// whether spans are created at all; otherwise set `with_local_not_sampled` to
    /// [`Sampler::always_off`].
    ///
    /// # Errors
    /// Never: these probabilities are valid.
    pub fn composite() -> Result<Self, ProbabilityError> {
        Ok(Self::new(Sampler::probability(0.1)?)
            .with_remote_sampled(Sampler::always_on())
            .with_remote_not_sampled(Sampler::always_off())
            .with_local_sampled(Sampler::always_on())
            .with_local_not_sampled(Sampler::probability(0.01)?))
    }

    /// Sets the sampler for children of a sampled parent of another process.
    #[must_use]
    pub fn with_remote_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.remote_sampled = Some(sampler.into());
        self
    }

    /// Sets the sampler for children of a dropped parent of another process.
    #[must_use]
    pub fn with_remote_not_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.remote_not_sampled = Some(sampler.into());
        self
    }

    /// Sets the sampler for children of a sampled parent of this process.
    #[must_use]
    pub fn with_local_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.local_sampled = Some(sampler.into());
        self
    }

    /// Sets the sampler for children of a dropped parent of this process.
    #[must_use]
    pub fn with_local_not_sampled(mut self, sampler: impl Into<Sampler>) -> Self {
        self.local_not_sampled = Some(sampler.into());
        self
    }

    /// The sampler of roots, if all branches follow the parent.
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

    /// Those of roots.
    pub(crate) fn rates(&self) -> Vec<SamplingRate> {
        self.root.rates()
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

/// Follows the parent's threshold, and decides roots by another sampler (specification,
/// *ComposableParentThreshold*): the composable form of a [`ParentBased`] without branches.
#[derive(Debug, Clone)]
pub struct ParentThreshold {
    root: Sampler,
}

impl ParentThreshold {
    /// `root` decides roots.
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

    fn rates(&self) -> Vec<SamplingRate> {
        self.root.rates()
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

/// The intent to follow the parent.
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

/// The intent of a sampler that decides by time or by its history, below a parent of this process:
/// the parent's decision, since one of its own would tear the trace. `None` elsewhere.
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

/// Combines the intent of a branch with the decision of `parent`.
fn below<'s>(
    parent: &Parent<'_>,
    params: &SamplingParameters<'_>,
    intent: SamplingIntent<'s>,
) -> SamplingIntent<'s> {
    let Some(own) = intent.threshold else { return intent };
    let own_counts = intent.adjusted_count_reliable || own == Threshold::KEEP_ALL;
    match threshold_of(parent, params) {
        // A trace passes both samplers: the higher threshold decides and is the probability.
        Some(above) if parent.sampled && own_counts => SamplingIntent {
            threshold: Some(own.max(above)),
            adjusted_count_reliable: true,
            ..intent
        },
        // The sampler that dropped the parent, or sampled it with an unknown probability, used up
        // the trace's randomness: no count can be derived from it.
        _ => SamplingIntent { adjusted_count_reliable: false, ..intent },
    }
}
