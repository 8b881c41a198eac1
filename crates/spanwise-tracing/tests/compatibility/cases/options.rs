//! Attributes that the layer adds by choice.

use super::Case;
use crate::bench::{Bench, PLAIN, Setup};
use crate::same;
use tracing::{debug, info_span, trace, warn_span};

const THREADS: Setup = Setup { threads: true, ..PLAIN };
const INACTIVITY: Setup = Setup { inactivity: true, ..PLAIN };
const COUNTING: Setup = Setup { counting: true, ..PLAIN };
const ALL: Setup = Setup { location: true, threads: true, level: true, target: true, ..INACTIVITY };

pub fn cases() -> Vec<Case> {
    vec![
        same("`with_location(true)`", Setup { location: true, ..PLAIN }, with_field),
        same("`with_threads(true)`", THREADS, with_field),
        same("… on a thread with a name", THREADS, |it| {
            let dispatch = it.dispatch().clone();
            let thread = std::thread::Builder::new().name("payments".to_owned());
            let thread = thread.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || drop(info_span!("a")));
            });
            thread.unwrap().join().unwrap();
            it.text()
        }),
        same("`with_level(true)`", Setup { level: true, ..PLAIN }, |it| {
            drop(info_span!("a", x = -1));
            drop(warn_span!("b"));
            it.text()
        }),
        same("`with_target(true)`", Setup { target: true, ..PLAIN }, |it| {
            drop(info_span!("a", x = -1));
            drop(info_span!(target: "billing", "b"));
            it.text()
        }),
        same("`with_tracked_inactivity(true)`", INACTIVITY, with_field),
        same("… of a span that is never entered", INACTIVITY, |it| {
            drop(info_span!("a"));
            it.text()
        }),
        same("`with_counting_event_filter` for events up to debug", COUNTING, |it| {
            info_span!("a", x = -1).in_scope(|| {
                trace!("one");
                debug!("two");
                info_span!("b").in_scope(|| trace!("three"));
                drop(info_span!("c"));
            });
            it.text()
        }),
        same("All of them", ALL, with_field),
        same("None of them", PLAIN, with_field),
        same("… without context activation", Setup { activation: false, ..ALL }, with_field),
    ]
}

fn with_field(it: &Bench) -> String {
    info_span!("a", x = -1).in_scope(|| ());
    it.text()
}
