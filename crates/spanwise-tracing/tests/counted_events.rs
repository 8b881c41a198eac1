//! `with_counting_event_filter`: the filter decides which events are recorded, and all are counted.

#![allow(clippy::unwrap_used, clippy::panic)]

mod received;

use received::{Receiver, named};
use spanwise_tracing::OpenTelemetrySpanExt as _;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

#[test]
fn a_span_has_the_number_of_all_its_events_and_those_that_pass() {
    for round in 0..20 {
        let receiver = Receiver::new();
        let layer = spanwise_tracing::layer(&receiver.spanwise)
            .with_counting_event_filter(LevelFilter::ERROR)
            .map_inner(|layer| layer.with_level(true))
            .with_counting_event_filter(LevelFilter::INFO);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let parent = tracing::info_span!("parent");
            parent.in_scope(|| {
                tracing::info!("first");
                tracing::debug!("filtered");
                tracing::info_span!("child").in_scope(|| tracing::trace!("in the child"));
                tracing::info!(parent: None, "of no span");
            });
            tracing::event!(parent: &parent, Level::WARN, "last");
            // The trait finds the layer behind the filter.
            parent.set_attribute("set", 1);
            drop(tracing::info_span!("empty"));
        });
        let (spans, _) = receiver.finish();
        let parent = named(&spans, "parent");
        assert_eq!(parent.events, ["first", "last"], "{round}");
        assert_eq!(parent.attributes["set"], "IntValue(1)");
        assert!(parent.attributes.contains_key("level"));
        let counts = ["parent", "child", "empty"]
            .map(|name| named(&spans, name).attributes["otel.tracing_event_count"].as_str());
        assert_eq!(counts, ["IntValue(3)", "IntValue(1)", "IntValue(0)"]);
    }
}
