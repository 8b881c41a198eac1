//! Futures: spans that are entered at each poll, on any thread.

use super::Case;
use super::events::without_callsites;
use crate::bench::{Bench, INACTIVE, PLAIN};
use crate::same;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use std::future::Future;
use std::pin::Pin;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tracing::instrument::{Instrument as _, WithSubscriber as _};
use tracing::{Span, info, info_span, instrument};

pub fn cases() -> Vec<Case> {
    let mut cases = attributes();
    cases.extend(methods());
    cases
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[instrument]
async fn handle(x: i64) {
    yield_now().await;
    load().await;
    info!("done");
}

#[instrument(skip_all)]
async fn load() {
    yield_now().await;
}

#[instrument(err)]
async fn fails() -> Result<(), String> {
    yield_now().await;
    Err("no stock".to_owned())
}

#[instrument(ret)]
async fn returns() -> i64 {
    yield_now().await;
    7
}

/// As the attribute `async_trait` makes it.
#[instrument]
fn boxed(x: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        yield_now().await;
        info!(x, "inside");
    })
}

trait Store {
    async fn get(&self, key: &str) -> String;
}

struct Memory;

impl Store for Memory {
    #[instrument(skip(self))]
    async fn get(&self, key: &str) -> String {
        yield_now().await;
        key.to_owned()
    }
}

fn attributes() -> Vec<Case> {
    vec![
        same("`#[instrument]` on an `async fn`", PLAIN, |it| {
            one_thread().block_on(handle(-1));
            it.text()
        }),
        same("… without context activation", INACTIVE, |it| {
            one_thread().block_on(handle(-1));
            it.text()
        }),
        same("… spawned on a runtime with two threads", PLAIN, |it| {
            spawned(it, || handle(-1));
            it.text()
        }),
        same("… that fails, with `err`", PLAIN, |it| {
            let _ = one_thread().block_on(fails());
            it.text()
        }),
        same("… that returns, with `ret`", PLAIN, |it| {
            one_thread().block_on(returns());
            without_callsites(it.text())
        }),
        same("… of a trait", PLAIN, |it| {
            one_thread().block_on(Memory.get("key"));
            it.text()
        }),
        same("… that returns a boxed future, as `async_trait` makes it", PLAIN, |it| {
            one_thread().block_on(boxed(-1));
            it.text()
        }),
        same("Two futures of one thread, polled in turns", PLAIN, |it| {
            one_thread().block_on(async {
                let a = step("a").instrument(info_span!("a"));
                let b = step("b").instrument(info_span!("b"));
                tokio::join!(a, b);
            });
            it.text()
        }),
        same("A future that is polled on two threads in turns", PLAIN, |it| {
            polled_in_turns(it);
            it.text()
        }),
        same("… without context activation", INACTIVE, |it| {
            polled_in_turns(it);
            it.text()
        }),
        same("A future that is dropped before it ends", PLAIN, |it| {
            let mut future = Box::pin(step("event").instrument(info_span!("a")));
            poll(&mut future);
            drop(future);
            it.text()
        }),
        same("A future that is never polled", PLAIN, |it| {
            drop(step("event").instrument(info_span!("a")));
            it.text()
        }),
    ]
}

fn spawned<F: Future<Output = ()> + Send + 'static>(it: &Bench, future: fn() -> F) {
    let dispatch = it.dispatch().clone();
    let runtime = two_threads();
    let task = runtime.spawn(async move { future().await }.with_subscriber(dispatch));
    runtime.block_on(task).unwrap();
}

async fn step(name: &'static str) {
    info!("{name} 1");
    yield_now().await;
    info_span!("child", of = name).in_scope(|| ());
    yield_now().await;
    info!("{name} 2");
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_ready()
}

/// Polls a future here and on another thread in turns, inside of a span of each thread.
fn polled_in_turns(it: &Bench) {
    let mut future = Box::pin(step("event").instrument(info_span!("a")));
    poll(&mut future);
    let dispatch = it.dispatch().clone();
    let thread = std::thread::spawn(move || {
        tracing::dispatcher::with_default(&dispatch, || {
            info_span!("other").in_scope(|| poll(&mut future));
            future
        })
    });
    let mut future = thread.join().unwrap();
    assert!(poll(&mut future));
}

fn methods() -> Vec<Case> {
    vec![
        same("`instrument` of a future", PLAIN, |it| {
            one_thread().block_on(step("event").instrument(info_span!("a")));
            it.text()
        }),
        same("`in_current_span`", PLAIN, |it| {
            let future = info_span!("a").in_scope(|| step("event").in_current_span());
            one_thread().block_on(future);
            it.text()
        }),
        same("`in_current_span` of a spawned task", PLAIN, |it| {
            let dispatch = it.dispatch().clone();
            let runtime = two_threads();
            let task = info_span!("a").in_scope(|| {
                runtime.spawn(step("event").in_current_span().with_subscriber(dispatch))
            });
            runtime.block_on(task).unwrap();
            it.text()
        }),
        same("A spawned task without its parent's span is a root", PLAIN, |it| {
            let dispatch = it.dispatch().clone();
            let runtime = two_threads();
            let task = info_span!("a").in_scope(|| {
                let future = async { drop(info_span!("b")) };
                runtime.spawn(future.with_subscriber(dispatch))
            });
            runtime.block_on(task).unwrap();
            it.text()
        }),
        same("`or_current` of a disabled span", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                Span::none().or_current().in_scope(|| drop(info_span!("b")));
            });
            it.text()
        }),
        same("`or_current` of an enabled span", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                info_span!("b").or_current().in_scope(|| drop(info_span!("c")));
            });
            it.text()
        }),
        same("`Context::current()` behind an `await`", PLAIN, |it| {
            let ids = one_thread().block_on(
                async {
                    let id = || Context::current().span().span_context().span_id();
                    let first = id();
                    yield_now().await;
                    [first, id()]
                }
                .instrument(info_span!("a")),
            );
            let own = it.span("a").span_id;
            ids.map(|id| (own == id.to_bytes()).to_string()).join(", ")
        }),
        same("`Context::current()` between the polls of a future", PLAIN, |it| {
            let mut future = Box::pin(step("event").instrument(info_span!("a")));
            poll(&mut future);
            let is_active = Context::current().has_active_span();
            drop(future);
            format!("active {is_active}; {}", it.text())
        }),
    ]
}
