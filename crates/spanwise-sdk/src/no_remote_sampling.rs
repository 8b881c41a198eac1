//! Stands in for `remote_sampling` without the features `jaeger` and `xray`: no value exists.

use crate::config::BuildError;
use crate::diagnostics::Diagnostics;
use std::time::Instant;

/// The collector of a strategy: none without the features.
#[derive(Debug, Clone)]
pub(crate) enum RemoteSource {}

impl RemoteSource {
    pub(crate) fn feature(&self) -> &'static str {
        match *self {}
    }

    pub(crate) fn has_same_settings(&self, _: &Self) -> bool {
        match *self {}
    }
}

/// Polls a collector: none without the features.
pub(crate) enum RemoteSampling {}

impl RemoteSampling {
    pub(crate) fn new(source: &RemoteSource, _: &str, _: &'static str) -> Result<Self, BuildError> {
        match *source {}
    }

    pub(crate) fn turn(&mut self, _: Instant, _: &mut Diagnostics) {
        match *self {}
    }
}
