//! [`Redactor`]: applies rules to encoded messages.

use crate::builder::RedactorBuilder;
use crate::compiled::CompiledRules;
use crate::explanation::Explanation;
use crate::rewrite::{
    Applied, HashKey, Plans, REQUEST, RESOURCE, Rewriter, SCOPE, SPAN, Scratch, Shape,
};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Applies rules to spans, resources, scopes and requests of OTLP, encoded as protobuf.
///
/// Clones share rules and counts. Bytes that no rule changes are not copied.
///
/// A rule that cannot run on a value, because the value is malformed, too deep or no text, deletes it, never the span, and is counted
/// in [`failures`](Self::failures). Fields that this version of OTLP does not have are copied.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    rules: CompiledRules,
    plans: Plans,
    hash_key: Option<HashKey>,
    /// Actions of each rule.
    counts: Vec<AtomicU64>,
    failures: AtomicU64,
}

/// The result of a redaction: the message without a change, or another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redacted<'a> {
    /// No rule changes the message.
    Unchanged,
    /// The changed message.
    Changed(&'a [u8]),
}

/// How often a rule acted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleCount {
    /// Name of the rule.
    pub name: String,
    /// The values, names and messages that it changed or deleted, since the build.
    pub count: u64,
}

impl Redactor {
    /// Starts a builder without rules.
    pub fn builder() -> RedactorBuilder {
        RedactorBuilder::default()
    }

    pub(crate) fn new(rules: CompiledRules, hash_key: Option<HashKey>) -> Self {
        let counts = (0..rules.len()).map(|_| AtomicU64::new(0)).collect();
        let failures = AtomicU64::new(0);
        let plans = Plans::new(rules.targets());
        Self { inner: Arc::new(Inner { rules, plans, hash_key, counts, failures }) }
    }

    /// Applies the rules to a `Span` message.
    ///
    /// # Cost
    /// Linear in the bytes of the span. For one that no rule changes, a look into the table of keys for each attribute and one pass over
    /// each text; a redactor without rules for spans returns at once. After the first spans nothing is allocated.
    pub fn redact_span<'s>(&self, span: &[u8], scratch: &'s mut Scratch) -> Redacted<'s> {
        self.redact(&SPAN, span, scratch)
    }

    /// Applies the rules to a `Resource` message.
    pub fn redact_resource<'s>(&self, resource: &[u8], scratch: &'s mut Scratch) -> Redacted<'s> {
        self.redact(&RESOURCE, resource, scratch)
    }

    /// Applies the rules to an `InstrumentationScope` message.
    pub fn redact_scope<'s>(&self, scope: &[u8], scratch: &'s mut Scratch) -> Redacted<'s> {
        self.redact(&SCOPE, scope, scratch)
    }

    /// Applies the rules to an `ExportTraceServiceRequest` message: all its spans, scopes and resources.
    pub fn redact_request<'s>(&self, request: &[u8], scratch: &'s mut Scratch) -> Redacted<'s> {
        self.redact(&REQUEST, request, scratch)
    }

    /// The actions of the rules on a `Span` message, in the order of its fields. Nothing is counted.
    pub fn explain(&self, span: &[u8]) -> Vec<Explanation> {
        self.explanations(&SPAN, span)
    }

    /// The actions of the rules on an `ExportTraceServiceRequest` message. Nothing is counted.
    pub fn explain_request(&self, request: &[u8]) -> Vec<Explanation> {
        self.explanations(&REQUEST, request)
    }

    /// How often each rule acted, in the order of the rules.
    pub fn counts(&self) -> Vec<RuleCount> {
        let counts = self.inner.counts.iter().enumerate();
        counts
            .map(|(index, count)| RuleCount { name: self.name(index), count: count.load(Relaxed) })
            .collect()
    }

    /// The values that no rule could read, which were deleted.
    pub fn failures(&self) -> u64 {
        self.inner.failures.load(Relaxed)
    }

    /// A number that differs where rules or hash keys differ, within a process. No part of the API.
    #[doc(hidden)]
    pub fn __fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.inner.hash_key.as_ref().map(HashKey::fingerprint).hash(&mut hasher);
        for rule in (0..self.inner.rules.len()).filter_map(|index| self.inner.rules.get(index)) {
            // The text has every part of a rule.
            format!("{:?}", rule.rule).hash(&mut hasher);
        }
        hasher.finish()
    }

    #[inline]
    fn redact<'s>(&self, shape: &Shape, message: &[u8], scratch: &'s mut Scratch) -> Redacted<'s> {
        let Inner { rules, plans, hash_key, counts, failures } = &*self.inner;
        if !rules.targets().overlaps(shape.targets()) {
            return Redacted::Unchanged;
        }
        let mut count = |applied: Applied<'_>| {
            let counter = if applied.failed { None } else { applied.rule };
            let counter = counter.and_then(|rule| counts.get(rule));
            // ORDER: Relaxed: counts publish no other data.
            counter.unwrap_or(failures).fetch_add(1, Relaxed);
        };
        let hash_key = hash_key.as_ref();
        let mut rewriter = Rewriter { rules, plans, hash_key, applied: &mut count };
        if rewriter.message(shape, message, scratch) {
            Redacted::Changed(scratch.result())
        } else {
            Redacted::Unchanged
        }
    }

    fn explanations(&self, shape: &Shape, message: &[u8]) -> Vec<Explanation> {
        let Inner { rules, plans, hash_key, .. } = &*self.inner;
        let hash_key = hash_key.as_ref();
        let mut explanations = Vec::new();
        let mut explain = |applied: Applied<'_>| {
            let Applied { rule, target, key, failed } = applied;
            let action = rule.and_then(|rule| rules.get(rule)).filter(|_| !failed);
            explanations.push(Explanation {
                rule,
                name: rule.map(|rule| self.name(rule)).unwrap_or_default(),
                action: action.map_or("failed", |rule| rule.rule.action.name()),
                target,
                key: String::from_utf8_lossy(key).into_owned(),
            });
        };
        if rules.targets().overlaps(shape.targets()) {
            let mut rewriter = Rewriter { rules, plans, hash_key, applied: &mut explain };
            rewriter.message(shape, message, &mut Scratch::default());
        }
        explanations
    }

    fn name(&self, index: usize) -> String {
        self.inner.rules.get(index).map_or("", |rule| rule.rule.name()).to_owned()
    }
}

/// Shows the counts, and neither patterns nor the hash key.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("counts", &self.counts())
            .field("failures", &self.failures())
            .finish_non_exhaustive()
    }
}
