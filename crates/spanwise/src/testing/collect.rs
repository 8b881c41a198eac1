//! A provider whose spans stay in memory.

use super::collected::{Collected, PATIENCE};
use super::store::Store;
use crate::{Exporter, OnFull, Spanwise, SpanwiseBuilder};
use std::sync::Arc;

/// A provider for a test, and the spans that it records.
///
/// The environment is not read, every trace that starts here is sampled, and no span is dropped: a
/// thread that ends spans faster than they are collected waits, for 10 s at most.
///
/// # Panics
/// When the operating system refuses the provider's worker thread.
#[must_use = "the provider records spans and the collection holds them"]
#[track_caller]
pub fn collect() -> (Spanwise, Collected) {
    collect_with(|builder| builder)
}

/// As [`collect`], with the settings that `configure` makes.
///
/// `configure` gets the builder of [`collect`] and returns it with changes, or returns another one,
/// which then reads the environment as usual. Endpoint, sink and exporter are replaced in either
/// case: spans go to the collection only.
///
/// # Panics
/// With the [`BuildError`](crate::BuildError) when a setting cannot be used.
#[must_use = "the provider records spans and the collection holds them"]
#[track_caller]
pub fn collect_with(
    configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder,
) -> (Spanwise, Collected) {
    let store = Arc::new(Store::default());
    let sink = {
        let store = store.clone();
        move |request: crate::Bytes| std::future::ready(store.add(&request))
    };
    let builder =
        Spanwise::builder().with_environment(|_| None).with_on_full(OnFull::Wait(PATIENCE));
    let built = configure(builder).with_sink(sink).with_exporter(Exporter::Otlp).build();
    match built {
        Ok(spanwise) => (spanwise.clone(), Collected::new(spanwise, store)),
        #[allow(clippy::panic, reason = "a test without its provider must fail")]
        Err(error) => panic!("the provider of this test cannot be built: {error}"),
    }
}
