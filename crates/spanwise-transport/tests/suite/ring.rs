//! The ring against a table that the Collector's own code wrote, and its promises.

use std::collections::HashMap;

use spanwise_testkit::SplitMix64;
use spanwise_transport::{Ring, RingError, RingVersion};

const VERSIONS: [RingVersion; 3] = [RingVersion::V1, RingVersion::V2, RingVersion::V3];

fn many() -> Vec<String> {
    (0..300).map(|i| format!("10.0.{}.{}:4317", i / 250, i % 250 + 1)).collect()
}

/// The lists of endpoints of `data/ring.go.txt`, by their length.
fn endpoints(len: &str) -> Vec<String> {
    let few = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match len {
        "1" => few(&["endpoint-1"]),
        "2" => few(&["endpoint-1", "endpoint-2"]),
        "3" => few(&["collector-2:4317", "collector-10:4317", "collector-1:4317"]),
        "5" => (1..=5).map(|i| format!("10.0.0.{i}:4317")).collect(),
        "300" => many(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_trace_has_the_endpoint_that_the_collector_chooses() {
    let mut rings = HashMap::new();
    let mut compared = 0;
    for line in include_str!("../data/ring.txt").lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let [version, len, trace_id, endpoint] = *fields else { panic!("{line}") };
        let ring = rings.entry((version, len)).or_insert_with(|| {
            let version = match version {
                "v1" => RingVersion::V1,
                "v2" => RingVersion::V2,
                "v3" => RingVersion::V3,
                other => panic!("{other}"),
            };
            Ring::new(version, endpoints(len)).unwrap()
        });
        let trace_id = u128::from_str_radix(trace_id, 16).unwrap().to_be_bytes();
        assert_eq!(ring.endpoint(trace_id), endpoint, "{line}");
        compared += 1;
    }
    assert_eq!(compared, 3 * 5 * 32);
}

#[test]
fn the_order_of_the_endpoints_does_not_matter() {
    let mut random = SplitMix64::new(1);
    for version in VERSIONS {
        let sorted = Ring::new(version, many()).unwrap();
        let reversed = Ring::new(version, many().into_iter().rev()).unwrap();
        for _ in 0..1_000 {
            let id = trace_id(&mut random);
            assert_eq!(sorted.endpoint(id), reversed.endpoint(id));
            assert_eq!(sorted.index(id) + reversed.index(id), 299);
        }
    }
}

/// All traces of the other endpoints stay where they are, but for those next to a point that had to move.
#[test]
fn an_endpoint_that_leaves_takes_its_own_traces_along() {
    let mut random = SplitMix64::new(2);
    let names = |len: u32| (1..=len).map(|i| format!("collector-{i}:4317"));
    for version in VERSIONS {
        let (before, after) =
            (Ring::new(version, names(10)).unwrap(), Ring::new(version, names(9)).unwrap());
        let (mut own, mut others) = (0, 0);
        for _ in 0..10_000 {
            let id = trace_id(&mut random);
            match (before.endpoint(id), after.endpoint(id)) {
                ("collector-10:4317", _) => own += 1,
                (was, is) => others += u32::from(was != is),
            }
        }
        assert!((500..2_000).contains(&own), "{version:?}: {own}");
        assert!(others <= 50, "{version:?}: {others}");
    }
}

#[test]
fn endpoints_that_make_no_ring_are_an_error() {
    let ring = |names: &[&str]| Ring::new(RingVersion::V3, names.iter().copied());
    assert_eq!(ring(&[]).unwrap_err(), RingError::Empty);
    let twice = ring(&["b:1", "a:1", "b:1"]).unwrap_err();
    assert_eq!(twice, RingError::Duplicate("b:1".to_owned()));
    assert!(twice.to_string().contains("`b:1` twice"), "{twice}");
    let endless = Ring::new(RingVersion::V3, (0..).map(|i: u64| i.to_string()));
    assert_eq!(endless.unwrap_err(), RingError::TooMany);
}

fn trace_id(random: &mut SplitMix64) -> [u8; 16] {
    (u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())).to_be_bytes()
}
