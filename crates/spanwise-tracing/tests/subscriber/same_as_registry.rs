//! A random program exports the same spans under the subscriber as under the layer on a registry.

use crate::exported::{Exported, Exporting, texts};
use opentelemetry::trace::Status;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use proptest::prelude::*;
use spanwise_tracing::{OpenTelemetrySpanExt as _, layer, subscriber};
use std::collections::{BTreeMap, HashSet};
use tracing::{Dispatch, Span, error, info, info_span, warn_span};
use tracing_subscriber::prelude::*;

/// A step of a program. Numbers name handles, modulo their count.
#[derive(Debug, Clone)]
enum Step {
    Start { parent: Parent, kind: &'static str, is_warning: bool },
    Enter(usize),
    Exit(usize),
    Record(usize, i64),
    Event { parent: Parent, is_error: bool },
    Clone(usize),
    Drop(usize),
    Current,
    Follow(usize, usize),
    SetAttribute(usize, bool),
    SetStatus(usize, bool),
    Context(usize),
}

#[derive(Debug, Clone, Copy)]
enum Parent {
    Current,
    Span(usize),
    Root,
}

/// The handles of a running program.
#[derive(Default)]
struct Program {
    handles: Vec<Span>,
    entered: Vec<Span>,
    started: i64,
}

impl Program {
    fn run(steps: &[Step]) {
        let mut program = Self::default();
        steps.iter().for_each(|step| program.step(step));
        while let Some(span) = program.entered.pop() {
            exit(&span);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Start { parent, kind, is_warning } => self.start(parent, kind, is_warning),
            Step::Enter(handle) => {
                if let Some(span) = self.handle(handle) {
                    span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
                    self.entered.push(span);
                }
            }
            Step::Exit(place) => {
                if !self.entered.is_empty() {
                    exit(&self.entered.remove(place % self.entered.len()));
                }
            }
            Step::Record(handle, value) => {
                self.with(handle, |span| _ = span.record("later", value));
            }
            Step::Event { parent, is_error } => self.event(parent, is_error),
            Step::Clone(handle) => {
                let clone = self.handle(handle);
                self.handles.extend(clone);
            }
            Step::Drop(handle) => {
                if !self.handles.is_empty() {
                    drop(self.handles.swap_remove(handle % self.handles.len()));
                }
            }
            // Of a span that was entered twice, a registry returns the one that was entered in between.
            Step::Current if self.is_entered_twice() => {}
            Step::Current => self.handles.push(Span::current()),
            Step::Follow(from, to) => {
                let to = self.handle(to);
                self.with(from, |span| _ = span.follows_from(to.as_ref().and_then(Span::id)));
            }
            Step::SetAttribute(handle, value) => {
                self.with(handle, |span| span.set_attribute("set", value));
            }
            Step::SetStatus(handle, is_ok) => self.with(handle, |span| {
                span.set_status(if is_ok { Status::Ok } else { Status::error("set") });
            }),
            Step::Context(handle) => self.with(handle, |span| drop(span.context())),
        }
    }

    fn start(&mut self, parent: Parent, kind: &'static str, is_warning: bool) {
        let serial = self.started;
        self.started += 1;
        macro_rules! start {
            ($($parent:tt)*) => {
                match is_warning {
                    true => warn_span!($($parent)* "warning", serial, otel.kind = kind),
                    false => info_span!(
                        $($parent)*
                        "information",
                        serial,
                        otel.kind = kind,
                        later = tracing::field::Empty,
                        debug = ?Some(serial)
                    ),
                }
            };
        }
        let span = match parent {
            Parent::Current => start!(),
            Parent::Root => start!(parent: None,),
            Parent::Span(handle) => {
                let id = self.handle(handle).and_then(|span| span.id());
                start!(parent: id,)
            }
        };
        self.handles.push(span);
    }

    fn event(&mut self, parent: Parent, is_error: bool) {
        macro_rules! event {
            ($($parent:tt)*) => {
                match is_error {
                    true => error!($($parent)* code = 7, "failed"),
                    false => info!($($parent)* list = ?[1, 2], "happened"),
                }
            };
        }
        match parent {
            Parent::Current => event!(),
            Parent::Root => event!(parent: None,),
            Parent::Span(handle) => {
                let id = self.handle(handle).and_then(|span| span.id());
                event!(parent: id,)
            }
        }
    }

    fn is_entered_twice(&self) -> bool {
        let ids: HashSet<_> = self.entered.iter().map(Span::id).collect();
        ids.len() < self.entered.len()
    }

    fn handle(&self, handle: usize) -> Option<Span> {
        self.handles.get(handle.checked_rem(self.handles.len())?).cloned()
    }

    fn with(&self, handle: usize, f: impl FnOnce(&Span)) {
        if let Some(place) = handle.checked_rem(self.handles.len()) {
            f(&self.handles[place]);
        }
    }
}

fn exit(span: &Span) {
    span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
}

/// The spans that both export, with serial numbers for ids.
#[derive(Debug, PartialEq)]
struct Comparable {
    serial: String,
    name: String,
    kind: i32,
    parent: Option<String>,
    attributes: BTreeMap<String, String>,
    events: Vec<(String, BTreeMap<String, String>)>,
    links: Vec<Option<String>>,
    status: Option<(i32, String)>,
    traces_of_parent: bool,
}

fn comparable(exported: &Exported) -> Vec<Comparable> {
    let serial = |span: &OtlpSpan| texts(&span.attributes)["serial"].clone();
    let by_id: BTreeMap<&[u8], &OtlpSpan> =
        exported.spans.iter().map(|span| (&span.span_id[..], span)).collect();
    let owned = |attributes| {
        texts(attributes).into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    let mut spans: Vec<Comparable> = exported
        .spans
        .iter()
        .map(|span| Comparable {
            serial: serial(span),
            name: span.name.clone(),
            kind: span.kind,
            parent: match &span.parent_span_id[..] {
                [] => None,
                id => Some(serial(by_id[id])),
            },
            attributes: owned(&span.attributes),
            events: span.events.iter().map(|e| (e.name.clone(), owned(&e.attributes))).collect(),
            links: span
                .links
                .iter()
                .map(|l| by_id.get(&l.span_id[..]).map(|s| serial(s)))
                .collect(),
            status: span.status.as_ref().map(|status| (status.code, status.message.clone())),
            traces_of_parent: by_id
                .get(&span.parent_span_id[..])
                .is_none_or(|parent| parent.trace_id == span.trace_id),
        })
        .collect();
    spans.sort_by_key(|span| span.serial.parse::<i64>().ok());
    spans
}

fn exported(steps: &[Step], dispatch: impl FnOnce(&Exporting) -> Dispatch) -> Vec<Comparable> {
    let exporting = Exporting::new();
    tracing::dispatcher::with_default(&dispatch(&exporting), || Program::run(steps));
    let exported = exporting.finish();
    assert_eq!(exported.report.ledger.exported, exported.spans.len() as u64);
    comparable(&exported)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = || 0..16_usize;
    let parent = || {
        prop_oneof![
            4 => Just(Parent::Current),
            2 => number().prop_map(Parent::Span),
            1 => Just(Parent::Root),
        ]
    };
    let kind = prop_oneof![Just("server"), Just("client"), Just("no kind")];
    let step = prop_oneof![
        6 => (parent(), kind, any::<bool>())
            .prop_map(|(parent, kind, is_warning)| Step::Start { parent, kind, is_warning }),
        5 => number().prop_map(Step::Enter),
        4 => number().prop_map(Step::Exit),
        2 => (number(), any::<i64>()).prop_map(|(handle, value)| Step::Record(handle, value)),
        3 => (parent(), any::<bool>())
            .prop_map(|(parent, is_error)| Step::Event { parent, is_error }),
        2 => number().prop_map(Step::Clone),
        4 => number().prop_map(Step::Drop),
        1 => Just(Step::Current),
        1 => (number(), number()).prop_map(|(from, to)| Step::Follow(from, to)),
        1 => (number(), any::<bool>()).prop_map(|(handle, set)| Step::SetAttribute(handle, set)),
        1 => (number(), any::<bool>()).prop_map(|(handle, is_ok)| Step::SetStatus(handle, is_ok)),
        1 => number().prop_map(Step::Context),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_program_exports_the_same_spans_with_and_without_a_registry(
        steps in steps(),
        activation in any::<bool>(),
    ) {
        let ours = exported(&steps, |exporting| {
            subscriber(&exporting.spanwise).with_context_activation(activation).into()
        });
        let registry = exported(&steps, |exporting| {
            let layer = layer(&exporting.spanwise).with_context_activation(activation);
            tracing_subscriber::registry().with(layer).into()
        });
        prop_assert_eq!(ours, registry);
    }
}
