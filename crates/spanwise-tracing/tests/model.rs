//! Random operations on many spans, against a model: which spans there are, below which parents, with which attributes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod received;

use opentelemetry::trace::TraceContextExt as _;
use proptest::prelude::*;
use received::{PARENT, Receiver, below, remote};
use spanwise_tracing::OpenTelemetrySpanExt as _;
use std::collections::BTreeMap;
use tracing::Span;
use tracing_subscriber::prelude::*;

#[derive(Debug, Clone)]
enum Operation {
    /// A span below the current one, or below an open one.
    Open(Option<usize>),
    Enter(usize),
    /// Exits the entered span at this depth.
    Exit(usize),
    Record(usize, u8),
    SetAttribute(usize, u8, i64),
    Event(Option<usize>),
    SetParent(usize),
    Context(usize),
    Link(usize),
    Close(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let index = 0..12usize;
    prop_oneof![
        4 => proptest::option::of(index.clone()).prop_map(Open),
        4 => index.clone().prop_map(Enter),
        3 => index.clone().prop_map(Exit),
        2 => (index.clone(), 0..3u8).prop_map(|(span, value)| Record(span, value)),
        2 => (index.clone(), 0..4u8, -9..9i64).prop_map(|(span, key, value)| SetAttribute(span, key, value)),
        2 => proptest::option::of(index.clone()).prop_map(Event),
        2 => index.clone().prop_map(SetParent),
        1 => index.clone().prop_map(Context),
        1 => index.clone().prop_map(Link),
        2 => index.prop_map(Close),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Parent {
    None,
    Remote,
    Span(usize),
}

/// A span of the model.
#[derive(Debug, Clone)]
struct Modelled {
    parent: Parent,
    is_used: bool,
    attributes: BTreeMap<String, i64>,
    events: usize,
    links: usize,
}

/// Runs the operations on real spans and on the model. Spans that are closed while they are entered stay open until the exit, because the
/// thread has a handle.
fn run(operations: &[Operation], activation: bool, spans: &mut Vec<Modelled>, first: usize) {
    let mut open: Vec<(usize, Span)> = Vec::new();
    let mut entered: Vec<(usize, tracing::span::EnteredSpan)> = Vec::new();
    let at = |open: &[(usize, Span)], index: usize| (!open.is_empty()).then(|| index % open.len());
    for operation in operations {
        match *operation {
            Operation::Open(parent) => {
                let number = first + spans.len();
                let parent = parent.and_then(|index| at(&open, index));
                let (span, parent) = match parent {
                    Some(index) => {
                        let (parent, handle) = &open[index];
                        let id = handle.id();
                        (
                            tracing::info_span!(parent: id, "model", number, recorded = tracing::field::Empty),
                            Some(*parent),
                        )
                    }
                    None => {
                        let span =
                            tracing::info_span!("model", number, recorded = tracing::field::Empty);
                        (span, entered.last().map(|(number, _)| *number))
                    }
                };
                if let Some(parent) = parent {
                    spans[parent - first].is_used = true;
                }
                let attributes = BTreeMap::from([("number".to_owned(), number as i64)]);
                let parent = parent.map_or(Parent::None, Parent::Span);
                spans.push(Modelled { parent, is_used: false, attributes, events: 0, links: 0 });
                open.push((number, span));
            }
            Operation::Enter(index) => {
                if let Some(index) = at(&open, index) {
                    let (number, span) = &open[index];
                    spans[number - first].is_used |= activation;
                    entered.push((*number, span.clone().entered()));
                }
            }
            Operation::Exit(depth) => {
                if !entered.is_empty() {
                    let (number, _) = entered[depth % entered.len()];
                    // All handles of a span are alike: an exit ends the last entry.
                    let last = entered.iter().rposition(|(other, _)| *other == number).unwrap();
                    drop(entered.remove(last));
                }
            }
            Operation::Record(index, value) => {
                if let Some(index) = at(&open, index) {
                    let (number, span) = &open[index];
                    span.record("recorded", i64::from(value));
                    spans[number - first].attributes.insert("recorded".to_owned(), value.into());
                }
            }
            Operation::SetAttribute(index, key, value) => {
                if let Some(index) = at(&open, index) {
                    let (number, span) = &open[index];
                    span.set_attribute(format!("key{key}"), value);
                    spans[number - first].attributes.insert(format!("key{key}"), value);
                }
            }
            Operation::Event(index) => match index.and_then(|index| at(&open, index)) {
                Some(index) => {
                    let (number, span) = &open[index];
                    tracing::info!(parent: span, "event");
                    spans[number - first].events += 1;
                }
                None => {
                    tracing::info!("event");
                    if let Some((number, _)) = entered.last() {
                        spans[number - first].events += 1;
                    }
                }
            },
            Operation::SetParent(index) => {
                if let Some(index) = at(&open, index) {
                    let (number, span) = &open[index];
                    let set = span.set_parent(below(remote(true, &[])));
                    let modelled = &mut spans[number - first];
                    assert_eq!(set.is_err(), modelled.is_used, "{modelled:?}");
                    if set.is_ok() {
                        modelled.parent = Parent::Remote;
                    }
                }
            }
            Operation::Context(index) => {
                if let Some(index) = at(&open, index) {
                    let (number, span) = &open[index];
                    assert!(span.context().span().span_context().is_valid());
                    spans[number - first].is_used = true;
                }
            }
            Operation::Link(index) => {
                if let Some(index) = at(&open, index) {
                    let (number, span) = &open[index];
                    span.add_link(remote(true, &[]));
                    spans[number - first].links += 1;
                }
            }
            Operation::Close(index) => {
                if let Some(index) = at(&open, index) {
                    drop(open.remove(index));
                }
            }
        }
    }
    // Innermost first.
    while let Some(last) = entered.pop() {
        drop(last);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_received_spans_are_those_of_the_model(
        threads in proptest::collection::vec(proptest::collection::vec(operation(), 0..200), 1..4),
        activation in any::<bool>(),
        max_open in prop_oneof![Just(65_536usize), Just(1023)],
    ) {
        // With few slots in the table, some spans are in the maps behind it; none is dropped.
        let receivers = [Receiver::new(), Receiver::new()];
        let layers = receivers.each_ref().map(|receiver| {
            spanwise_tracing::layer(&receiver.spanwise)
                .with_max_open_spans(max_open)
                .with_context_activation(activation)
        });
        let [first, second] = layers;
        // Only one layer activates: the context of the thread has one current span.
        let second = second.with_context_activation(false);
        // The extension trait acts on the last layer.
        let subscriber = tracing_subscriber::registry().with(second).with(first);
        let dispatch = tracing::Dispatch::new(subscriber);
        let mut modelled: Vec<Modelled> = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = threads
                .iter()
                .enumerate()
                .map(|(thread, operations)| {
                    let dispatch = dispatch.clone();
                    scope.spawn(move || {
                        let mut spans = Vec::new();
                        let _default = tracing::dispatcher::set_default(&dispatch);
                        run(operations, activation, &mut spans, thread * 1000);
                        (thread * 1000, spans)
                    })
                })
                .collect();
            for thread in threads {
                let (first, spans) = thread.join().unwrap();
                modelled.resize_with(first.max(modelled.len()), || Modelled {
                    parent: Parent::None,
                    is_used: false,
                    attributes: BTreeMap::new(),
                    events: 0,
                    links: 0,
                });
                modelled.extend(spans);
            }
        });
        drop(dispatch);
        let [first, _second] = receivers;
        let (received, _) = first.finish();
        prop_assert_eq!(received.len(), modelled.iter().filter(|it| !it.attributes.is_empty()).count());
        let number = |span: &received::Received| {
            let text = span.attributes["number"].trim_start_matches("IntValue(").to_owned();
            text.trim_end_matches(')').parse::<usize>().unwrap()
        };
        let ids: BTreeMap<usize, _> = received.iter().map(|span| (number(span), span)).collect();
        for span in &received {
            let expected = &modelled[number(span)];
            match expected.parent {
                Parent::None => prop_assert_eq!(span.parent, opentelemetry::trace::SpanId::INVALID),
                Parent::Remote => prop_assert_eq!(span.parent, PARENT),
                Parent::Span(parent) => {
                    let parent = ids[&parent];
                    prop_assert_eq!((span.parent, span.trace_id), (parent.span_id, parent.trace_id));
                }
            }
            let attributes: BTreeMap<String, String> = expected
                .attributes
                .iter()
                .map(|(key, value)| (key.clone(), format!("IntValue({value})")))
                .collect();
            prop_assert_eq!(&span.attributes, &attributes);
            prop_assert_eq!((span.events.len(), span.links.len()), (expected.events, expected.links));
        }
    }
}
