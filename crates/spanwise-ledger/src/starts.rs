//! Spans at their start, by the origin of their parent and the result of the sampler.

/// The parent of a span that starts: `otel.span.parent.origin` of the semantic conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ParentOrigin {
    /// The span is the root of its trace.
    None,
    /// The parent is a span of this process.
    Local,
    /// The parent's context was extracted from a message of another process.
    Remote,
}

/// The result of the sampler for a span that starts: `otel.span.sampling_result` of the semantic conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SamplingResult {
    /// The span does not record.
    Drop,
    /// The span records, and its context is not sampled.
    RecordOnly,
    /// The span records, and its context is sampled.
    RecordAndSample,
}

impl ParentOrigin {
    /// Every variant, in the order of declaration.
    pub const ALL: [ParentOrigin; 3] =
        [ParentOrigin::None, ParentOrigin::Local, ParentOrigin::Remote];

    /// The origin of a parent, if there is one.
    #[inline(always)]
    pub fn new(has_parent: bool, is_remote: bool) -> Self {
        match (has_parent, is_remote) {
            (false, _) => ParentOrigin::None,
            (true, false) => ParentOrigin::Local,
            (true, true) => ParentOrigin::Remote,
        }
    }

    /// The value of the attribute.
    pub const fn name(self) -> &'static str {
        match self {
            ParentOrigin::None => "none",
            ParentOrigin::Local => "local",
            ParentOrigin::Remote => "remote",
        }
    }
}

impl SamplingResult {
    /// Every variant, in the order of declaration.
    pub const ALL: [SamplingResult; 3] =
        [SamplingResult::Drop, SamplingResult::RecordOnly, SamplingResult::RecordAndSample];

    /// The value of the attribute.
    pub const fn name(self) -> &'static str {
        match self {
            SamplingResult::Drop => "DROP",
            SamplingResult::RecordOnly => "RECORD_ONLY",
            SamplingResult::RecordAndSample => "RECORD_AND_SAMPLE",
        }
    }
}

/// Spans by [`ParentOrigin`] and [`SamplingResult`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Starts([[u64; 3]; 3]);

impl Starts {
    pub(crate) fn get(&self, origin: ParentOrigin, result: SamplingResult) -> u64 {
        self.0.get(origin as usize).and_then(|row| row.get(result as usize)).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, origin: ParentOrigin, result: SamplingResult, spans: u64) {
        if let Some(sum) =
            self.0.get_mut(origin as usize).and_then(|row| row.get_mut(result as usize))
        {
            *sum = sum.wrapping_add(spans);
        }
    }

    /// The spans of both results, of which `moved` have the second and not the first.
    pub(crate) fn reassign(
        &mut self,
        origin: ParentOrigin,
        (from, to): (SamplingResult, SamplingResult),
        moved: u64,
    ) {
        let moved = moved.min(self.get(origin, from));
        self.add(origin, from, moved.wrapping_neg());
        self.add(origin, to, moved);
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut since = Self::default();
        for origin in ParentOrigin::ALL {
            for result in SamplingResult::ALL {
                let spans = self.get(origin, result).saturating_sub(earlier.get(origin, result));
                since.add(origin, result, spans);
            }
        }
        since
    }
}
