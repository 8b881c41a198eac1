//! The index of a segment: it finds every trace, seldom another one, and within its size.

use crate::indexes;

use indexes::*;
use proptest::prelude::*;
use spanwise_spool::RecordQuery;
use spanwise_spool::index::{
    IndexBuilder, SealedIndex, SegmentIdentity, SegmentIndex, extract_trace,
};
use spanwise_wire::read::TraceRequest;
use spanwise_wire::write::{put_bytes, put_message};
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Before and after the seal, for any number of records, of traces and of bytes.
    #[test]
    fn every_trace_is_found_in_each_of_its_records(
        records in prop::collection::vec(prop::collection::vec(0..300u64, 0..40), 0..60),
        segment_len in prop_oneof![Just(0u64), 0..5000u64, Just(1 << 20), Just(1 << 32)],
    ) {
        let mut builder = IndexBuilder::new(SEED);
        let mut expected = BTreeMap::<u64, BTreeSet<u32>>::new();
        for (number, traces) in records.iter().enumerate() {
            let spans: Vec<_> = traces.iter().map(|trace| span(random(*trace))).collect();
            let facts = add(&mut builder, number as u32, &request(&[("shop", &spans)]));
            prop_assert_eq!(facts.spans(), spans.len() as u64);
            traces.iter().for_each(|it| _ = expected.entry(*it).or_default().insert(number as u32));
        }
        for trace in 0..310 {
            let found: BTreeSet<_> = builder.find(random(trace).to_be_bytes()).into_iter().collect();
            prop_assert_eq!(found, expected.get(&trace).cloned().unwrap_or_default());
        }
        let segment = SegmentIdentity { len: segment_len, ..SEGMENT };
        let file = builder.seal(segment).into_bytes();
        let index = SegmentIndex::parse_file(&file, segment).unwrap();
        prop_assert_eq!(index.records().count(), records.len());
        for (trace, records) in expected {
            let (found, _) = find(&index, &file, random(trace)).unwrap();
            let found: BTreeSet<_> = found.into_iter().collect();
            prop_assert!(found.is_superset(&records), "{trace}: {found:?} {records:?}");
        }
    }
}

#[test]
fn the_index_takes_three_percent_and_reads_one_page() {
    // As in a segment of 54 bytes a span on disk.
    for (per_trace, max_false) in [(1, 0.5), (2, 0.02), (5, 0.002)] {
        let (count, spans) = (100, 1000);
        let segment = SegmentIdentity { len: count * spans * 54, ..SEGMENT };
        let file = sealed(&records(count, spans, per_trace), segment);
        let share = file.len() as f64 / segment.len as f64;
        assert!(share <= 0.03, "{per_trace} spans in a trace: {share}");
        let index = SegmentIndex::parse_file(&file, segment).unwrap();
        let traces = count * spans / per_trace;
        for trace in (0..traces).step_by(97) {
            let (records, pages) = find(&index, &file, random(trace)).unwrap();
            let first = (trace * per_trace / spans) as u32;
            assert!(records.contains(&first), "{trace}");
            assert_eq!(pages, 1);
        }
        let absent = 4_000;
        let found = |trace| find(&index, &file, random(traces + trace)).unwrap().0.len();
        let read: usize = (0..absent).map(found).sum();
        let read = read as f64 / absent as f64;
        assert!(read <= max_false, "{per_trace} spans in a trace: {read} records read in vain");
    }
}

#[test]
fn a_trace_in_thousands_of_records_continues_on_further_pages() {
    let long = random(u64::MAX);
    let records: Vec<_> = (0..20_000)
        .map(|number| request(&[("shop", &[span(long), span(random(number))])]))
        .collect();
    let file = sealed(&records, SEGMENT);
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    let (found, pages) = find(&index, &file, long).unwrap();
    assert!(pages > 2, "{pages}");
    assert_eq!(found, (0..20_000).collect::<Vec<_>>());
    for trace in 0..20_000 {
        let (found, _) = find(&index, &file, random(trace)).unwrap();
        assert!(found.contains(&(trace as u32)), "{trace}");
    }
}

#[test]
fn a_full_builder_reports_it_and_its_memory_is_bounded() {
    let mut builder = IndexBuilder::new(SEED);
    let mut records = 0;
    while !builder.is_full() {
        let base = u64::from(records) * 8192;
        let spans: Vec<_> = (base..base + 8192).map(|trace| span(random(trace))).collect();
        let _facts = add(&mut builder, records, &request(&[("shop", &spans)]));
        records += 1;
    }
    assert_eq!((records, builder.spans()), (128, 1 << 20));
    assert!(builder.memory() <= 9 << 20, "{}", builder.memory());
}

#[test]
fn records_are_found_by_time_and_service() {
    let of = |start, end| [Span { trace: 1, start, end }];
    let mut builder = IndexBuilder::new(SEED);
    let shop = request(&[("shop", &of(100, 200)), ("cart", &of(150, 300))]);
    let cart = request(&[("cart", &of(400, 500))]);
    let nameless = request(&[("", &of(600, 650))]);
    // A start alone, an end alone, and no time.
    let timeless = request(&[("shop", &[of(0, 700)[0], of(0, 0)[0]]), ("late", &of(900, 0))]);
    let empty = request(&[("idle", &[])]);
    for (number, record) in [&shop, &cart, &nameless, &timeless, &empty].into_iter().enumerate() {
        let _facts = add(&mut builder, number as u32, record);
    }
    let further: Vec<String> = (0..2000).map(|n| format!("service-{n}")).collect();
    let further: Vec<_> = further.iter().map(|name| (name.as_str(), of(2000, 2001))).collect();
    let further: Vec<_> = further.iter().map(|(name, span)| (*name, &span[..])).collect();
    let _facts = add(&mut builder, 5, &request(&further));
    let queries = [
        (RecordQuery::default(), vec![0, 1, 2, 3, 4, 5]),
        (RecordQuery::default().with_service("shop"), vec![0, 3, 5]),
        (RecordQuery::default().with_service("cart"), vec![0, 1, 5]),
        (RecordQuery::default().with_service(""), vec![2, 5]),
        (RecordQuery::default().with_service("idle"), vec![5]),
        (RecordQuery::default().with_service("service-0"), vec![5]),
        (RecordQuery::default().with_service("service-1999"), vec![5]),
        (RecordQuery::default().with_times(0..=99), vec![]),
        (RecordQuery::default().with_times(0..=100), vec![0]),
        (RecordQuery::default().with_times(300..=400), vec![0, 1]),
        (RecordQuery::default().with_times(301..=399), vec![]),
        (RecordQuery::default().with_times(800..=u64::MAX), vec![3, 5]),
        (RecordQuery::default().with_times(0..=u64::MAX), vec![0, 1, 2, 3, 5]),
        (RecordQuery::default().with_times(0..=450).with_service("cart"), vec![0, 1]),
        (RecordQuery::default().with_times(350..=450).with_service("shop"), vec![]),
    ];
    for (query, expected) in &queries {
        assert_eq!(&builder.find_records(query), expected, "{query:?}");
    }
    let file = builder.seal(SEGMENT).into_bytes();
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    for (query, expected) in &queries {
        assert_eq!(&index.find_records(query), expected, "{query:?}");
    }
    assert_eq!(index.services_of(0).collect::<Vec<_>>(), ["shop", "cart"]);
    assert_eq!(index.services().take(4).collect::<Vec<_>>(), ["shop", "cart", "", "late"]);
    let record = index.record(0).unwrap();
    assert_eq!((record.earliest_unix_nanos, record.latest_unix_nanos), (100, 300));
    assert_eq!(index.head().spans, 1 + 1 + 1 + 1 + 3 + 2000);
}

#[test]
fn the_spans_of_one_trace_keep_their_resources_and_scopes() {
    let spans = [span(1), span(2), span(1)];
    let bytes = request(&[("shop", &spans), ("cart", &[span(2)]), ("", &[span(1)])]);
    let mut out = Vec::new();
    assert_eq!(extract_trace(&bytes, 1u128.to_be_bytes(), &mut out), Ok(3));
    assert_eq!(out, request(&[("shop", &[span(1), span(1)]), ("", &[span(1)])]));
    assert_eq!(extract_trace(&bytes, 3u128.to_be_bytes(), &mut out), Ok(0));
    // Several records make one request.
    assert_eq!(extract_trace(&bytes, 2u128.to_be_bytes(), &mut out), Ok(2));
    assert_eq!(TraceRequest::new(&out).count_spans(), Ok(5));
    assert!(extract_trace(&[0x0a, 5, 0], [0; 16], &mut out).is_err());
}

#[test]
fn schema_urls_and_scopes_are_preserved() {
    let mut bytes = Vec::new();
    put_message(&mut bytes, 0x0a, |group| {
        put_message(group, 0x12, |scope| {
            put_message(scope, 0x12, |span| put_bytes(span, 0x0a, &[1; 16]));
            put_bytes(scope, 0x1a, b"https://example.test/spans");
            put_message(scope, 0x0a, |scope| put_bytes(scope, 0x0a, b"library"));
        });
        put_bytes(group, 0x1a, b"https://example.test/resource");
    });
    let mut out = Vec::new();
    assert_eq!(extract_trace(&bytes, [1; 16], &mut out), Ok(1));
    let resource = TraceRequest::new(&out).resources().next().unwrap().unwrap();
    assert_eq!(resource.schema_url(), Ok("https://example.test/resource"));
    let scope = resource.scopes().next().unwrap().unwrap();
    assert_eq!(
        (scope.name(), scope.schema_url()),
        (Ok("library"), Ok("https://example.test/spans"))
    );
}

#[test]
fn malformed_requests_are_records_without_findable_spans() {
    let mut builder = IndexBuilder::new(SEED);
    for (number, bytes) in [&b""[..], b"\xff", &[0x0a, 200], &[0x0a, 2, 0x12, 9]].iter().enumerate()
    {
        let facts = add(&mut builder, number as u32, bytes);
        assert_eq!((facts.spans(), facts.latest_unix_nanos()), (0, 0));
    }
    let sealed: SealedIndex = builder.seal(SEGMENT);
    assert!(sealed.pages.is_empty());
    let file = sealed.into_bytes();
    let index = SegmentIndex::parse_file(&file, SEGMENT).unwrap();
    assert_eq!(find(&index, &file, 1).unwrap(), (vec![], 0));
    assert_eq!(index.find_records(&RecordQuery::default()), [0, 1, 2, 3]);
}
