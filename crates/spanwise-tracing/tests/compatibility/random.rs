//! Programs of random operations: both layers export the same spans. `SPANWISE_SEEDS=1000` runs more of them.
//!
//! The operations leave out the differences that the page lists: unsigned fields, keys that are set twice, two
//! descriptions, a span that is entered again inside of another one.

use crate::bench::{Bench, INACTIVE, Layers, PLAIN, Setup};
use crate::extension::{remote, remote_parent};
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry::{ContextGuard, KeyValue};
use spanwise_testkit::SplitMix64;
use std::fmt::Write as _;
use tracing::field::Empty;
use tracing::span::EnteredSpan;
use tracing::{Span, debug, error, info, info_span, warn_span};

#[test]
fn random_programs_have_the_same_spans_in_both_layers() {
    let seeds = std::env::var("SPANWISE_SEEDS").map_or(6, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        check(seed, PLAIN);
        check(seed, INACTIVE);
    }
}

fn check(seed: u64, setup: Setup) {
    let shown = Layers::ALL.map(|layers| Bench::run(layers, setup, |it| run(it, seed, setup)));
    for ours in &shown[1..] {
        assert_eq!(&shown[0], ours, "seed {seed}, context activation {}", setup.activation);
    }
}

struct Program<'a> {
    it: &'a Bench,
    random: SplitMix64,
    /// Spans and their fields that are not recorded yet.
    spans: Vec<(Span, Vec<&'static str>)>,
    entered: Vec<EnteredSpan>,
    attached: Vec<ContextGuard>,
    /// A number for each name.
    names: u64,
    /// Answers of the extension trait.
    answers: String,
    /// A span that is entered can have another parent without the activation of contexts, which is a difference.
    sets_parents: bool,
}

fn run(it: &Bench, seed: u64, setup: Setup) -> String {
    let mut program = Program {
        it,
        random: SplitMix64::new(seed),
        spans: Vec::new(),
        entered: Vec::new(),
        attached: Vec::new(),
        names: 0,
        answers: String::new(),
        sets_parents: setup.activation,
    };
    for _ in 0..60 {
        program.step();
    }
    let Program { spans, mut entered, mut attached, answers, .. } = program;
    while entered.pop().is_some() || attached.pop().is_some() {}
    drop(spans);
    format!("{answers}\n{}", it.text())
}

impl Program<'_> {
    fn below(&mut self, count: usize) -> usize {
        (self.random.next_u64() % count.max(1) as u64) as usize
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// One of the open spans.
    fn any(&mut self) -> Span {
        let index = self.below(self.spans.len());
        self.spans.get(index).map_or_else(Span::none, |(span, _)| span.clone())
    }

    fn step(&mut self) {
        match self.below(20) {
            0..=3 => self.start(),
            4..=6 => {
                let span = self.any();
                // A span that is entered again inside of another one is a difference.
                if !self.entered.iter().any(|entered| **entered == span) {
                    self.entered.push(span.entered());
                }
            }
            7 | 8 => {
                let index = self.below(self.entered.len());
                if index < self.entered.len() {
                    drop(self.entered.swap_remove(index));
                }
            }
            9 => {
                let index = self.below(self.spans.len());
                if index < self.spans.len() {
                    drop(self.spans.swap_remove(index));
                }
            }
            10..=12 => self.event(),
            13 | 14 => self.record(),
            15 => self.link(),
            16 => self.attach(),
            17 => drop(self.attached.pop()),
            _ => self.extend(),
        }
    }

    fn start(&mut self) {
        let (name, parent) = (self.name(), self.any());
        let name = format!("s{name:02}");
        let span = match self.below(6) {
            0 => info_span!(parent: None, "root", otel.name = name, a = Empty, b = -1),
            1 => info_span!(parent: &parent, "child", otel.name = name, a = Empty, b = Empty),
            2 => warn_span!("server", otel.name = name, otel.kind = "server", a = Empty, b = Empty),
            3 => info_span!("list", otel.name = name, a = Empty, b = ?[1.5], c = %"text"),
            4 => info_span!("error", otel.name = name, a = Empty, otel.status_code = "error"),
            _ => info_span!("plain", otel.name = name, a = Empty, b = Empty, flag = true),
        };
        self.spans.push((span, vec!["a", "b"]));
    }

    fn event(&mut self) {
        let (span, name) = (self.any(), self.name());
        match self.below(5) {
            0 => info!(x = -1, "event {name}"),
            1 => info!(parent: &span, "event {name}"),
            2 => debug!(parent: None, "alone"),
            3 => error!(parent: &span, text = "x", "event {name}"),
            _ => error!(list = ?[1], "event {name}"),
        }
    }

    /// Records a field, each at most once.
    fn record(&mut self) {
        let (index, kind) = (self.below(self.spans.len()), self.below(4));
        let Some((span, fields)) = self.spans.get_mut(index) else { return };
        // The second field has a value from the start in some spans.
        let Some(field) = fields.pop().filter(|field| *field == "a") else { return };
        match kind {
            0 => span.record(field, -7),
            1 => span.record(field, "text"),
            2 => span.record(field, 0.5),
            _ => span.record(field, tracing::field::debug("quoted")),
        };
    }

    fn link(&mut self) {
        let (span, other) = (self.any(), self.any());
        match self.below(2) {
            0 if span != other => {
                span.follows_from(&other);
            }
            _ => {
                let number = self.name();
                self.it.add_link(&span, remote(number));
            }
        }
    }

    fn attach(&mut self) {
        let span = self.any();
        let context = match self.below(3) {
            0 => self.it.context(&span),
            _ => remote_parent(1 + self.name()),
        };
        let is_valid = context.span().span_context().is_valid();
        let _ = write!(self.answers, "context {is_valid}, ");
        self.attached.push(context.attach());
    }

    fn extend(&mut self) {
        let (span, name) = (self.any(), self.name());
        match self.below(4) {
            0 => {
                let key = format!("key{name}");
                self.it.set_attribute(&span, KeyValue::new(key, name as i64));
            }
            1 => self.it.add_event(&span, "added", vec![KeyValue::new("x", name as i64)]),
            2 => self.it.set_status(&span, Status::Ok),
            _ if self.sets_parents => {
                let answer = self.it.set_parent(&span, remote_parent(1 + name));
                let _ = write!(self.answers, "{answer}, ");
            }
            _ => {}
        }
    }
}
