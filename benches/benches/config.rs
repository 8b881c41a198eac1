//! Configuration files: the time of a start with one, and until a broken one is reported.
//!
//! The file has the keys of the full example of OpenTelemetry's configuration repository.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot continue must fail")]

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, criterion_group, criterion_main};
use spanwise_sdk::{BuildError, Spanwise};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn files(criterion: &mut Criterion) {
    let directory = std::env::temp_dir().join(format!("spanwise-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let mut group = criterion.benchmark_group("config");
    let starts: [(&str, Option<PathBuf>); 3] = [
        ("build-without-file", None),
        ("build-with-file", Some(write("full.yaml", FULL))),
        ("build-with-production-file", Some(write("production.yaml", PRODUCTION))),
    ];
    for (name, path) in starts {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|ops| {
                timed(ops, START, || build(path.as_deref()).expect("a provider"))
            });
        });
    }
    let broken = FULL.lines().map(|line| line.replacen("_limit:", "_limmit:", 1) + "\n");
    let broken = write("broken.yaml", &broken.collect::<String>());
    let small = write("small.yaml", "file_fromat: \"1.1\"\n");
    for (name, path, mistakes) in [("broken-file", broken, 8), ("broken-small-file", small, 2)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|ops| {
                timed(ops, REPORT, || match build(Some(&path)) {
                    Err(BuildError::ConfigFile(problems)) => {
                        assert_eq!(problems.iter().count(), mistakes, "{problems}");
                        assert!(problems.to_string().contains("did you mean"), "{problems}");
                    }
                    other => panic!("{other:?}"),
                })
            });
        });
    }
    group.finish();
    std::fs::remove_dir_all(&directory).expect("the directory");
}

fn build(path: Option<&Path>) -> Result<Spanwise, BuildError> {
    let variable = |name: &str| (name == "COLLECTOR").then(|| "http://127.0.0.1:1".to_owned());
    let builder = Spanwise::builder().with_environment(variable).with_diagnostics(|_| {});
    path.into_iter().fold(builder, |builder, path| builder.with_config_file(path)).build()
}

/// The time of `ops` calls, without the drop of their results. The fastest of them takes less than `limit`: a busy machine delays
/// the others.
fn timed<T>(ops: u64, limit: Duration, call: impl Fn() -> T) -> Duration {
    let (mut all, mut fastest) = (Duration::ZERO, Duration::MAX);
    for _ in 0..ops {
        let start = Instant::now();
        let result = call();
        let time = start.elapsed();
        drop(result);
        (all, fastest) = (all + time, fastest.min(time));
    }
    // The first calls of the warm-up find cold caches.
    assert!(ops < 10 || fastest < limit, "the fastest of {ops} calls took {fastest:?}");
    all
}

const FULL: &str = include_str!("../../crates/spanwise-sdk/tests/config_file/snippets/full.yaml");
const PRODUCTION: &str =
    include_str!("../../crates/spanwise-sdk/tests/config_file/snippets/production.yaml");
/// The bound of a start with a file.
const START: Duration = Duration::from_millis(5);
/// The bound of the report of a broken file.
const REPORT: Duration = Duration::from_millis(10);

criterion_group! {
    name = benches;
    config = Criterion::default().with_profiler(profiler::Pprof::default());
    targets = files
}
criterion_main!(benches);
