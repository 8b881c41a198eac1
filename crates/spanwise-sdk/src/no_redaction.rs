//! Stands in for `redaction` without the feature: no value exists.

use crate::live::LiveRedaction;
use spanwise_wire::write::{DroppedCounts, FinishedSpan};

/// The rules of a provider: none without the feature.
pub(crate) enum SpanRedaction {}

/// The buffers of a redacted span: none without the feature.
#[derive(Default)]
pub struct RedactionBuffers(());

impl SpanRedaction {
    pub(crate) fn redact<T>(
        &self,
        _: FinishedSpan<'_>,
        _: usize,
        _: &mut RedactionBuffers,
        _: impl FnOnce(&FinishedSpan<'_>, &DroppedCounts) -> T,
    ) -> T {
        match *self {}
    }

    pub(crate) fn name<T>(
        &self,
        _: &str,
        _: &mut RedactionBuffers,
        _: impl FnOnce(&str) -> T,
    ) -> T {
        match *self {}
    }

    pub(crate) fn changes_name(&self, _: &str) -> bool {
        match *self {}
    }

    pub(crate) fn resource(&self, _: &[u8]) -> Vec<u8> {
        match *self {}
    }

    pub(crate) fn scope(&self, _: &[u8]) -> Vec<u8> {
        match *self {}
    }

    pub(crate) fn identity(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn rules(&self) -> usize {
        match *self {}
    }

    pub(crate) fn counts(&self) -> LiveRedaction {
        match *self {}
    }
}
