//! Budgets and request sizes of several destinations, in virtual time.

use bytes::Bytes;
use spanwise_export::{BuildError, Destination, Exporter};
use spanwise_ledger::DropReason;
use spanwise_transport::{
    Compression, Outcome, Protocol, RingVersion, Sink, SinkFuture, Transport,
};

use crate::support;

use support::destinations::*;

#[test]
fn a_budget_that_is_too_small_for_the_endpoints_is_an_error() {
    let names: Vec<_> = (0..60).map(|i| format!("collector-{i}:4317")).collect();
    let endpoints = names.iter().map(|name| (name.as_str(), plain(name)));
    let routed = Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap();
    let builder = |bytes| Exporter::builder(routed.clone()).with_budget_bytes(bytes);
    let error = builder(1 << 20).prepare().unwrap_err().to_string();
    let least = error.split("accepted is ").nth(1).and_then(|rest| rest.split(' ').next());
    let least: usize = least.unwrap().parse().unwrap();
    assert!(error.contains("with_budget_bytes is 1048576"), "{error}");
    assert!(builder(least).prepare().is_ok());
    let with_thresholds = |threshold: fn(usize) -> usize| {
        (0..64).fold(Exporter::builder(plain("a:1")), |builder, i| {
            let gzip = Transport::builder().with_compression(Compression::Gzip);
            builder.with_destination(gzip.with_compression_threshold(threshold(i)).build().unwrap())
        })
    };
    let error = with_thresholds(|i| i).prepare().unwrap_err().to_string();
    assert!(error.contains("with_destination"), "{error}");
    // They share the copy.
    assert!(with_thresholds(|_| 0).with_budget_bytes(64 << 20).prepare().is_ok());
}

#[test]
fn a_size_that_one_endpoint_refuses_is_its_limit_alone_and_may_rise_again() {
    const LIMIT: usize = 70_000;
    for routed in [false, true] {
        let other = || match routed {
            true => self::routed(),
            false => Destination::new(plain("b:2")),
        };
        let builder = Exporter::builder(plain("a:1")).with_destination(other());
        let mut world = World::new(builder.with_max_in_flight(2));
        world.limits[0] = LIMIT;
        for _ in 0..10 {
            world.push(5_000, 100);
            world.flush();
        }
        assert_eq!([0, 1].map(|it| world.account(it).exported), [50_000; 2]);
        let refused = world.sizes[0].iter().filter(|size| **size > LIMIT).count();
        assert!((1..8).contains(&refused), "{refused} of {:?}", world.sizes[0]);
        let requests = world.sizes[1].len();
        assert!(requests < 30, "{requests}");
        // All but the last of each flush.
        let large = world.sizes[1].iter().filter(|size| **size > LIMIT).count();
        assert!(routed || large == 10, "{:?}", world.sizes[1]);
        world.limits[0] = usize::MAX;
        for _ in 0..80 {
            world.push(5_000, 100);
            world.flush();
        }
        assert!(world.sizes[0].iter().rev().take(5).any(|size| *size > 3 * LIMIT / 2));
        assert_eq!([0, 1].map(|it| world.account(it).exported), [450_000; 2]);
        world.shut_down(HOUR);
    }
}

#[test]
fn an_endpoint_that_refuses_every_size_loses_its_own_spans_alone() {
    let mut world = World::new(Exporter::builder(plain("a:1")).with_destination(plain("b:2")));
    world.limits[0] = 0;
    for _ in 0..20 {
        world.push(5_000, 100);
        world.flush();
    }
    let [refused, other] = [0, 1].map(|destination| world.account(destination));
    assert_eq!(other.exported, 100_000);
    assert_eq!(refused.dropped(DropReason::TooLarge), 100_000, "{refused}");
    assert!(world.sizes[1].len() < 60, "{}", world.sizes[1].len());
    assert!(world.sizes[0].len() < 1_000, "{}", world.sizes[0].len());
    world.shut_down(HOUR);
}

/// `error` is about the budget of `bytes` bytes, and `build` accepts the one that it names.
fn least_budget<T>(bytes: usize, build: impl Fn(usize) -> Result<T, BuildError>) -> usize {
    let error = build(bytes).err().unwrap().to_string();
    assert!(error.starts_with(&format!("with_budget_bytes is {bytes}; ")), "{error}");
    let least = error.split("accepted is ").nth(1).and_then(|rest| rest.split(' ').next());
    let least = least.unwrap().parse().unwrap();
    assert!(build(least).is_ok(), "{error}");
    least
}

#[test]
fn a_budget_for_a_ring_grows_with_its_endpoints_and_no_faster() {
    let ring = |endpoints: usize| {
        let endpoints = (0..endpoints).map(|i| (format!("c{i}:1"), plain("c:1")));
        Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap()
    };
    for endpoints in [15, 50, 100] {
        assert!(Exporter::builder(ring(endpoints)).prepare().is_ok(), "{endpoints}");
    }
    let least = [200, 400].map(|endpoints| {
        let ring = ring(endpoints);
        least_budget(1 << 20, |bytes| {
            Exporter::builder(ring.clone()).with_budget_bytes(bytes).prepare()
        })
    });
    assert!(least[1] < 9 * least[0] / 4 && least[1] < 80 << 20, "{least:?}");
}

#[test]
fn a_ring_of_many_endpoints_delivers_with_its_smallest_budget() {
    let endpoints = (0..100).map(|i| (format!("c{i}:1"), plain("c:1")));
    let ring = Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap();
    let mut world = World::new(Exporter::builder(ring));
    for _ in 0..5 {
        world.push(5_000, 100);
        world.flush();
    }
    assert_eq!(world.account(0).exported, 25_000, "{}", world.account(0));
    world.shut_down(HOUR);
}

#[test]
fn a_budget_with_which_no_span_can_be_sent_is_an_error() {
    let json = |compression, level| {
        let json = Transport::builder().with_protocol(Protocol::HttpJson);
        json.with_compression(compression).with_compression_level(level).build().unwrap()
    };
    for compression in [Compression::Gzip, Compression::Zstd] {
        for level in [1, 9] {
            if compression == Compression::Zstd && !cfg!(feature = "zstd") {
                continue;
            }
            let build = |bytes| {
                let builder = Exporter::builder(json(compression, level)).with_budget_bytes(bytes);
                builder.prepare()
            };
            let least = least_budget(1 << 20, build);
            let builder = Exporter::builder(json(compression, level)).with_budget_bytes(least);
            let mut world = World::new(builder);
            for _ in 0..50 {
                world.push(1, 16_000);
                world.flush();
            }
            assert_eq!(world.account(0).exported, 50, "{}", world.account(0));
            world.shut_down(HOUR);
        }
    }
}

#[test]
fn destinations_whose_bodies_differ_are_limited_by_the_budget() {
    let json = |compression| {
        let json = Transport::builder().with_protocol(Protocol::HttpJson);
        json.with_compression(compression).build().unwrap()
    };
    let json = [json(Compression::None), json(Compression::Gzip)];
    let builder = Exporter::builder(json[0].clone()).with_destination(json[1].clone());
    let mut world = World::new(builder.with_destination(to("c:3", Compression::Gzip)));
    world.push(1_000, 10);
    world.flush();
    assert_eq!([0, 1, 2].map(|it| world.account(it).exported), [1_000; 3]);
    world.shut_down(HOUR);
}

/// A sink that states this bound for its copies.
struct Copying(usize);

impl Sink for Copying {
    fn take(&self, _: Bytes) -> SinkFuture<'_> {
        Box::pin(async { Outcome::Accepted { rejected: 0, message: None } })
    }

    fn copy_bound(&self, _: usize) -> usize {
        self.0
    }
}

#[test]
fn a_sink_that_states_an_absurd_bound_for_its_copies_is_an_error() {
    for bound in [usize::MAX, usize::MAX / 2, 16 << 30] {
        let to_sink = || Transport::builder().with_sink(Copying(bound)).build().unwrap();
        let alone = Exporter::builder(to_sink());
        for builder in [alone, Exporter::builder(to_sink()).with_destination(to_sink())] {
            let error = builder.prepare().unwrap_err().to_string();
            assert!(error.starts_with(&format!("Sink::copy_bound is {bound} bytes")), "{error}");
        }
    }
    let to_sink = || Transport::builder().with_sink(Copying(8 << 20)).build().unwrap();
    least_budget(1 << 20, |bytes| {
        Exporter::builder(to_sink()).with_destination(to_sink()).with_budget_bytes(bytes).prepare()
    });
}

#[test]
fn the_name_of_a_destination_has_no_secret_and_no_control_character() {
    let ring = |name: &str| {
        Destination::routed_by_trace_id(RingVersion::V3, [(name, plain("a:1"))]).unwrap()
    };
    for name in [
        "https://user:hunter2@collector:4317/path?key=hunter2\u{1b}[31m\n",
        "user:p/hunter2@collector:4317#hunter2",
        "collector:4317?key=hunter2",
    ] {
        let destination = ring(name);
        let shown = format!("{} {destination:?}", destination.name());
        assert!(!shown.contains("hunter2") && !shown.contains(['\u{1b}', '\n']), "{shown}");
    }
    assert_eq!(&*routed().name(), NAMES.join(", "));
    let named = routed().with_name("archive\u{1b}[31m\nof all");
    assert!(!named.name().contains(['\u{1b}', '\n']), "{:?}", named.name());
    let sink = Transport::builder().with_sink(Copying(0)).build().unwrap();
    assert_eq!(&*Destination::new(sink).name(), "the sink");
}
