//! [`Reported`]: the reports about a configuration, of which a reload leaves out those that were made before.

use crate::diagnostics::{Collected, Diagnostic, Reporter};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::PoisonError;

/// Hashes of the reports about the configuration that was applied last.
#[derive(Default)]
pub(in super::super) struct Reported(HashSet<u64>);

impl Reported {
    /// The reports that were made.
    pub(in super::super) fn of(made: &Collected) -> Self {
        Self(take(made).iter().map(hash).collect())
    }

    /// Makes the reports of the next configuration: those that are new.
    pub(in super::super) fn replace(&mut self, next: &Collected, reporter: &Reporter) {
        let (next, before) = (take(next), std::mem::take(&mut self.0));
        for diagnostic in next {
            let hash = hash(&diagnostic);
            self.0.insert(hash);
            if !before.contains(&hash) {
                reporter.report(diagnostic);
            }
        }
    }
}

fn take(reports: &Collected) -> Vec<Diagnostic> {
    std::mem::take(&mut *reports.lock().unwrap_or_else(PoisonError::into_inner))
}

fn hash(diagnostic: &Diagnostic) -> u64 {
    let mut hasher = DefaultHasher::new();
    diagnostic.to_string().hash(&mut hasher);
    hasher.finish()
}
