//! A program calls the provider from threads with small stacks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sdk::{SpanKind, Spanwise, SpanwiseBuilder};
use std::fs;
use std::path::Path;
use support::builder;

/// As of a thread of musl's earlier versions, or of a program with very many threads.
const STACK_BYTES: usize = 64 << 10;

fn on_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap()
}

fn boxed(file: Option<&Path>, sampling_ratio: f64) -> Box<SpanwiseBuilder> {
    let builder = builder().with_endpoint("http://127.0.0.1:1");
    Box::new(match file {
        Some(path) => builder.with_config_file(path),
        None => builder.with_sampling_ratio(sampling_ratio),
    })
}

/// Samplers in samplers, which a reader by recursion reads.
fn nested(depth: usize) -> String {
    let mut sampler = "always_on:".to_owned();
    for _ in 0..depth {
        sampler = format!("parent_based: {{ root: {{ {sampler} }} }}");
    }
    format!(
        "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - batch:\n        exporter:\n          \
         otlp_http:\n            endpoint: http://127.0.0.1:1\n  sampler: {{ {sampler} }}\n"
    )
}

fn check(file: Option<&Path>) {
    let [first, second, third] = [0.5, 0.5, 1.0].map(|ratio| boxed(file, ratio));
    let explained = on_small_stack(move || third.explain().map(Box::new).is_ok());
    assert!(explained);
    let spanwise: Spanwise = on_small_stack(move || first.build().unwrap());
    let reloading = spanwise.clone();
    on_small_stack(move || reloading.reload(*second).unwrap());
    on_small_stack(move || {
        spanwise.tracer("shop").root("span", SpanKind::Server).finish();
        let _timed_out = spanwise.shutdown_timeout(std::time::Duration::ZERO);
    });
}

#[test]
fn a_provider_is_built_explained_and_reloaded_on_a_small_stack() {
    check(None);
}

#[cfg(feature = "config-file")]
#[test]
fn the_deepest_file_is_read_on_a_small_stack() {
    let name = format!("spanwise-small-stack-{}.yaml", std::process::id());
    let path = std::env::temp_dir().join(name);
    let write = |depth| fs::write(&path, nested(depth)).unwrap();
    let is_accepted = |depth: &usize| {
        write(*depth);
        boxed(Some(&path), 1.0).explain().is_ok()
    };
    let deepest = (0..1_000).take_while(is_accepted).last().unwrap();
    assert!(deepest >= 20, "{deepest}");
    for depth in [0, deepest] {
        write(depth);
        check(Some(&path));
    }
    fs::remove_file(path).unwrap();
}
